/* HTTP beside the WebSockets: the files of the web directory, and pages that the owner makes
 * (health, metrics). GET and HEAD only; request bodies are not read. Private to ws_server; threads:
 * the loop's. */
#ifndef SIGBRIDGE_IO_HTTP_H
#define SIGBRIDGE_IO_HTTP_H

#include "base/buf.h"

#include <libwebsockets.h>

struct http {
    int (*page)(void *arg, const char *path, struct buf *body, const char **type);
    void *arg;
    struct lws_http_mount mount;
};

/* The mounts for the vhost; they live in *h. web NULL: none. */
const struct lws_http_mount *http_mounts(struct http *h, const char *web);

/* Before anything is served: 0, or a value to return when the method was refused. */
int http_filter(struct lws *wsi);
/* LWS_CALLBACK_HTTP: answers what is no file; returns what lws expects. */
int http_answer(struct http *h, struct lws *wsi, const char *path);

#endif
