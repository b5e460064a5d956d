/* ICE restarts (RFC 8445 section 9), which webrtcbin 1.22 does not do: three calls of libnice, made
 * on the agent that webrtcbin works with. The running library is asked for them, because its
 * development package depends on that of GTK.
 *
 * Threads: any; libnice locks its agents. */
#ifndef CAMERA_NICE_API_H
#define CAMERA_NICE_API_H

#include <glib-object.h>
#include <stdbool.h>

/* Begins anew with the viewer's new user name and password. What was found keeps the media flowing
 * until a new pair is. *own_ufrag and *own_pwd are ours from now on (g_free() them). False: this
 * libnice cannot, and nothing has changed. */
bool nice_api_restart(GObject *agent, const char *ufrag, const char *pwd, char **own_ufrag,
                      char **own_pwd);

#endif
