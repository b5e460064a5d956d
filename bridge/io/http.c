#include "io/http.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 1024 * 1024, HEADERS_MAX = 2048, UPGRADE_REQUIRED = 426 };

/* What lws does not know and browsers want to see typed. */
static const struct lws_protocol_vhost_options extra_types[] = {
    {&extra_types[1], NULL, ".mjs", "text/javascript"},
    {&extra_types[2], NULL, ".webmanifest", "application/manifest+json"},
    {NULL, NULL, ".map", "application/json"},
};

const struct lws_http_mount *http_mounts(struct http *h, const char *web)
{
    if (!web)
        return NULL;
    h->mount = (struct lws_http_mount){
        .mountpoint = "/",
        .mountpoint_len = 1,
        .origin = web,
        .def = "index.html",
        .extra_mimetypes = extra_types,
        .cache_max_age = 0,
        .cache_revalidate = 1,
        .origin_protocol = LWSMPRO_FILE,
    };
    return &h->mount;
}

static bool is_read(struct lws *wsi, bool *head)
{
    *head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    return *head || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
}

static int refuse(struct lws *wsi, unsigned status, const char *text)
{
    lws_return_http_status(wsi, status, text);
    return -1; /* closes: a body that follows is not read */
}

int http_filter(struct lws *wsi)
{
    bool head;
    return is_read(wsi, &head) ? 0
                               : refuse(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "GET and HEAD only");
}

static bool put_header(struct lws *wsi, const char *name, const char *value, unsigned char **p,
                       unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), p,
                                       end) == 0;
}

static bool put_headers(struct lws *wsi, unsigned status, const char *type, size_t len,
                        unsigned char **p, unsigned char *end)
{
    return lws_add_http_common_headers(wsi, status, type, len, p, end) == 0 &&
           put_header(wsi, "cache-control:", "no-store", p, end) &&
           (status != UPGRADE_REQUIRED || /* RFC 9110 section 15.5.22 */
            put_header(wsi, "upgrade:", "websocket", p, end)) &&
           lws_finalize_http_header(wsi, p, end) == 0;
}

/* In one write: lws keeps what the socket does not take, and does not look at the next request
 * before that is out. An answer that waited for its turn would be overtaken by it. */
static int send_page(struct lws *wsi, unsigned status, const char *type, const struct buf *body,
                     bool head)
{
    unsigned char *bytes = malloc(LWS_PRE + HEADERS_MAX + body->len);
    unsigned char *start, *p;
    int result = -1;
    if (!bytes)
        return -1;
    start = p = bytes + LWS_PRE;
    if (!put_headers(wsi, status, type, body->len, &p, start + HEADERS_MAX))
        goto out;
    if (!head && body->len) {
        memcpy(p, body->data, body->len);
        p += body->len;
    }
    size_t len = (size_t)(p - start);
    if (lws_write(wsi, start, len, LWS_WRITE_HTTP_FINAL) == (int)len)
        result = lws_http_transaction_completed(wsi) ? -1 : 0;
out:
    free(bytes);
    return result;
}

int http_answer(struct http *h, struct lws *wsi, const char *path)
{
    struct buf body;
    const char *type = "text/plain; charset=utf-8";
    bool head;
    int status, result = -1;
    if (!is_read(wsi, &head))
        return refuse(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "GET and HEAD only");
    buf_init(&body, BODY_MAX);
    status = h->page(h->arg, path, &body, &type);
    if (status == 0) {
        status = HTTP_STATUS_NOT_FOUND;
        buf_clear(&body);
        buf_str(&body, "not found\n");
    }
    if (buf_ok(&body))
        result = send_page(wsi, (unsigned)status, type, &body, head);
    buf_release(&body);
    return result;
}
