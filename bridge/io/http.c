#include "io/http.h"

#include "io/http_headers.h"
#include "policy/origin.h"
#include "policy/web_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 8 * 1024 * 1024,
    ANSWER_HEADERS_MAX = 4096,
    REFUSAL_MAX = 512,
    ORIGIN_MAX = 512,
    HOST_MAX = 512
};

#define API "/api/"

/* What lws does not know and browsers want to see typed. */
static const struct lws_protocol_vhost_options extra_types[] = {
    {&extra_types[1], NULL, ".mjs", "text/javascript"},
    {&extra_types[2], NULL, ".webmanifest", "application/manifest+json"},
    {NULL, NULL, ".map", "application/json"},
};

void http_mount(struct lws_http_mount *mount, const char *web)
{
    *mount = (struct lws_http_mount){
        .mountpoint = "/",
        .mountpoint_len = 1,
        .origin = web,
        .def = "index.html",
        .extra_mimetypes = extra_types,
        .cache_max_age = 0,
        .cache_revalidate = 1,
        .origin_protocol = LWSMPRO_FILE,
    };
}

static bool is_read(struct lws *wsi, bool *head)
{
    *head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    return *head || lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
}

static bool is_preflight(struct lws *wsi)
{
    return lws_hdr_total_length(wsi, WSI_TOKEN_OPTIONS_URI) > 0;
}

static bool put(struct lws *wsi, const char *name, const char *value, unsigned char **p,
                unsigned char *end)
{
    return http_put_header(wsi, name, text_of_str(value), p, end);
}

/* Not lws_return_http_status(), whose page wants a style sheet, and which cannot say `Allow`. */
int http_refuse(struct lws *wsi, unsigned status, const char *sentence)
{
    unsigned char bytes[LWS_PRE + ANSWER_HEADERS_MAX + REFUSAL_MAX];
    unsigned char *start = bytes + LWS_PRE, *p = start, *end = start + ANSWER_HEADERS_MAX;
    size_t len = strnlen(sentence, REFUSAL_MAX - 1);
    if (lws_add_http_common_headers(wsi, status, "text/plain; charset=utf-8", len + 1, &p, end) ||
        !put(wsi, "cache-control:", "no-store", &p, end) ||
        !put(wsi, "connection:", "close", &p, end) ||
        (status == HTTP_STATUS_METHOD_NOT_ALLOWED && !put(wsi, "allow:", "GET, HEAD", &p, end)) ||
        lws_finalize_http_header(wsi, &p, end))
        return -1;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0) {
        memcpy(p, sentence, len);
        p += len;
        *p++ = '\n';
    }
    lws_write(wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_FINAL);
    return -1;
}

/* Another reader in front of us may take what follows for a body, and we for the next request. */
static bool has_body(struct lws *wsi)
{
    char length[8];
    struct text t = http_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, length, sizeof length);
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0 ||
           (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 && !text_equals(t, "0"));
}

/* RFC 9112 section 3.2: one host, which HTTP/1.0 may lack. */
static bool has_sound_line(struct lws *wsi)
{
    char version[16], host[HOST_MAX];
    struct text v = http_header(wsi, WSI_TOKEN_HTTP, version, sizeof version);
    struct text h = http_header(wsi, WSI_TOKEN_HOST, host, sizeof host);
    if (!text_equals(v, "HTTP/1.1"))
        return text_equals(v, "HTTP/1.0");
    return !text_end(&h) && !memchr(h.p, ',', text_len(&h)) && !memchr(h.p, ' ', text_len(&h));
}

bool http_sound(struct lws *wsi, const char *path)
{
    bool head, api = strncmp(path, API, strlen(API)) == 0;
    if (!is_read(wsi, &head) && !(is_preflight(wsi) && api))
        http_refuse(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "GET and HEAD only");
    else if (!has_sound_line(wsi))
        http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "HTTP/1.1 is spoken here, with one Host");
    else if (has_body(wsi))
        http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "no request here has a body");
    else if (!web_path_ok(text_of_str(path)))
        http_refuse(wsi, HTTP_STATUS_NOT_FOUND, "not found");
    else
        return true;
    return false;
}

/* Only what another site's pages need: the listed ones may read the API, with a token. */
static bool put_cors(struct http *h, struct lws *wsi, const char *path, bool preflight,
                     unsigned char **p, unsigned char *end)
{
    char bytes[ORIGIN_MAX];
    struct text origin = http_header(wsi, WSI_TOKEN_ORIGIN, bytes, sizeof bytes);
    if (strncmp(path, API, strlen(API)) != 0)
        return true;
    if (!put(wsi, "vary:", "origin", p, end))
        return false;
    if (text_end(&origin) || !origin_listed(h->origins, origin))
        return true;
    if (origin_any(h->origins))
        origin = text_of_str("*");
    return http_put_header(wsi, "access-control-allow-origin:", origin, p, end) &&
           (!preflight || (put(wsi, "access-control-allow-methods:", "GET, HEAD", p, end) &&
                           put(wsi, "access-control-allow-headers:", "authorization", p, end) &&
                           put(wsi, "access-control-max-age:", "600", p, end)));
}

static bool put_reply_headers(struct lws *wsi, const struct http_reply *a, unsigned char **p,
                              unsigned char *end)
{
    char seconds[24];
    if (a->challenge && !put(wsi, "www-authenticate:", "Bearer realm=\"sigbridge\"", p, end))
        return false;
    if (a->retry_ms) {
        snprintf(seconds, sizeof seconds, "%lld", (long long)((a->retry_ms + 999) / 1000));
        return put(wsi, "retry-after:", seconds, p, end);
    }
    /* RFC 9110 section 15.5.22 */
    return a->status != 426 || put(wsi, "upgrade:", "websocket", p, end);
}

/* In one write: lws keeps what the socket does not take, and does not look at the next request
 * before that is out. An answer that waited for its turn would be overtaken by it. */
static int send_reply(struct http *h, struct lws *wsi, const struct http_request *q,
                      const struct http_reply *a, bool head, bool preflight)
{
    unsigned char *bytes = malloc(LWS_PRE + ANSWER_HEADERS_MAX + a->body->len);
    unsigned char *start, *p, *end;
    int result = -1;
    if (!bytes)
        return -1;
    start = p = bytes + LWS_PRE;
    end = start + ANSWER_HEADERS_MAX;
    if (lws_add_http_common_headers(wsi, (unsigned)a->status, a->type, a->body->len, &p, end) ||
        !put(wsi, "cache-control:", "no-store", &p, end) ||
        (q->last && !put(wsi, "connection:", "close", &p, end)) ||
        !put_cors(h, wsi, q->path, preflight, &p, end) || !put_reply_headers(wsi, a, &p, end) ||
        lws_finalize_http_header(wsi, &p, end))
        goto out;
    if (!head && a->body->len) {
        memcpy(p, a->body->data, a->body->len);
        p += a->body->len;
    }
    size_t len = (size_t)(p - start);
    if (lws_write(wsi, start, len, LWS_WRITE_HTTP_FINAL) == (int)len)
        result = lws_http_transaction_completed(wsi) ? -1 : 0;
out:
    free(bytes);
    return result;
}

int http_answer(struct http *h, struct lws *wsi, struct http_request *q)
{
    struct buf body;
    struct http_reply a = {.type = "text/plain; charset=utf-8", .body = &body};
    bool head, preflight = !is_read(wsi, &head);
    int result = -1;
    buf_init(&body, BODY_MAX);
    if (preflight)
        a.status = HTTP_STATUS_OK;
    else
        h->page(h->arg, q, &a);
    if (a.status == 0) {
        a.status = HTTP_STATUS_NOT_FOUND;
        buf_clear(&body);
        buf_str(&body, "not found\n");
    }
    if (buf_ok(&body))
        result = send_reply(h, wsi, q, &a, head, preflight);
    buf_release(&body);
    return result;
}
