/* May this path be asked of the web directory and the pages? A gate in front of the file server,
 * which has rules of its own: what is strange ends here. Threads: pure functions. */
#ifndef SIGBRIDGE_POLICY_WEB_PATH_H
#define SIGBRIDGE_POLICY_WEB_PATH_H

#include "base/text.h"

#include <stdbool.h>

enum { WEB_PATH_MAX = 200 }; /* bytes; the file server cuts directory and path at 254 */

/* Percent-decoded, from the first "/". No control character, backslash or empty segment, and no
 * segment that begins with a dot: neither "..", nor ".git", but ".well-known" (RFC 8615). */
bool web_path_ok(struct text path);

#endif
