/* The origin of a web page as browsers send it (RFC 6454 section 6.1): scheme://host[:port], in
 * lower case, the port only where it is not the scheme's own. Or a star, for any.
 *
 * What a browser would never send is refused, as it would never fit. Threads: pure functions. */
#ifndef SIGBRIDGE_CONFIG_WEB_ORIGIN_H
#define SIGBRIDGE_CONFIG_WEB_ORIGIN_H

#include <stdbool.h>

/* False: a sentence fragment in *why (a static string). */
bool web_origin_ok(const char *str, const char **why);

#endif
