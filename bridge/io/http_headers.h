/* Headers read from a request and added to answers, as lws wants them. Private to ws_server. */
#ifndef SIGBRIDGE_IO_HTTP_HEADERS_H
#define SIGBRIDGE_IO_HTTP_HEADERS_H

#include "base/text.h"

#include <libwebsockets.h>
#include <stdbool.h>

enum {
    HTTP_HEADERS_MAX = 20 * 1024 /* all of one request: a whole token in its line and as a header */
};

/* Security headers for every answer of a virtual host, files included. HSTS goes with TLS only. */
const struct lws_protocol_vhost_options *http_headers(bool tls);

/* A request header, copied; several of the name are joined by commas. Empty when there is none, or
 * when it is too long for `size`; HTTP_HEADERS_MAX is always enough. */
struct text http_header(struct lws *wsi, enum lws_token_indexes token, char *bytes, size_t size);

/* The request's token: Authorization: Bearer, else the first argument `token`. Empty: there is
 * none. It may be longer than any token. */
struct text http_token(struct lws *wsi, char bytes[HTTP_HEADERS_MAX]);

bool http_put_header(struct lws *wsi, const char *name, struct text value, unsigned char **p,
                     unsigned char *end);

#endif
