/* What SIGHUP reads again: the keys of tokens, and the listeners' certificate. Sessions go on; what
 * cannot be used is logged, and the old one stays in force. */
#ifndef SIGBRIDGE_APP_RELOAD_H
#define SIGBRIDGE_APP_RELOAD_H

struct parts;

void reload(struct parts *p);

#endif
