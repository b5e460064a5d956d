/* Where things are when nobody says: the data directory and the pages.
 *
 * Threads: reads the environment it is given and the file system. The caller frees what comes
 * back; NULL: there is no such place, or, with errno ENOMEM, memory ran out. */
#ifndef SIGBRIDGE_CONFIG_PLACE_H
#define SIGBRIDGE_CONFIG_PLACE_H

/* /var/lib/sigbridge for root, else $XDG_STATE_HOME/sigbridge or $HOME/.local/state/sigbridge;
 * a relative value does not count, as the XDG base directory specification says. */
char *place_data(char *const *envp);

/* `web` in the executable's directory, else ../share/sigbridge/web from there. `beside` replaces
 * the executable's directory when it is not NULL. */
char *place_web(const char *beside);

/* The value of a variable, or NULL. */
const char *place_env(char *const *envp, const char *name);

#endif
