/* HTTP beside the WebSockets: the files of the web directory, and pages that the owner makes
 * (health, metrics, rosters). GET and HEAD only, OPTIONS for CORS; request bodies are not read.
 * Private to ws_server, but for what the owner of pages sees; threads: the loop's. */
#ifndef SIGBRIDGE_IO_HTTP_H
#define SIGBRIDGE_IO_HTTP_H

#include "base/buf.h"
#include "base/text.h"
#include "policy/visitors.h"

#include <stdbool.h>
#include <stdint.h>

struct lws;
struct lws_http_mount;
struct origin_rules;

/* A request for a page; texts live as long as the call. */
struct http_request {
    const char *path;
    struct text token;       /* Authorization: Bearer, else ?token=; empty: none */
    struct visitor *visitor; /* whose it is; NULL: nobody counts */
    bool loopback;           /* from this machine */
    bool last;               /* of its connection */
};

struct http_reply {
    int status;       /* 0: no such page */
    const char *type; /* of the body; text/plain unless set */
    struct buf *body;
    bool challenge;   /* WWW-Authenticate: Bearer (RFC 6750 section 3) */
    int64_t retry_ms; /* Retry-After; 0: none */
};

typedef void http_page(void *arg, const struct http_request *q, struct http_reply *a);

struct http {
    http_page *page;
    void *arg;
    const struct origin_rules *origins; /* whose pages may read /api/ */
};

/* The files of `web` as a mount, for vhosts; *mount lives as long as they do. */
void http_mount(struct lws_http_mount *mount, const char *web);

/* Before anything is served, be it a file, a page or an upgrade: is this a request that everybody
 * reads in the same way, for a path that we may answer? False: it has been refused. */
bool http_sound(struct lws *wsi, const char *path);
/* A refusal in one sentence; the connection is closed after it. Returns -1. */
int http_refuse(struct lws *wsi, unsigned status, const char *sentence);
/* LWS_CALLBACK_HTTP: answers what is no file; returns what lws expects. */
int http_answer(struct http *h, struct lws *wsi, struct http_request *q);

#endif
