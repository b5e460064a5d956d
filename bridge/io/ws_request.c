#include "base/clock.h"
#include "base/log.h"
#include "io/ws_parts.h"

#include <string.h>

enum { ORIGIN_SIZE = 512, HOST_SIZE = 512 };

void ws_log_refusal(struct ws_server *w, const struct client *c, const char *event,
                    struct text what)
{
    uint64_t unsaid;
    char address[VISITOR_TEXT_MAX];
    if (log_budget_take(&w->refusals, clock_mono_us(), &unsaid))
        log_line(LOG_WARN, event, LOG_S("address", visitor_format(c->visitor, address)),
                 LOG_T("what", what.p, text_len(&what)), LOG_I("unsaid", unsaid), LOG_END);
}

static bool offers_only_unknown(struct lws *wsi)
{
    char offered[128];
    int len = lws_hdr_copy(wsi, offered, sizeof offered, WSI_TOKEN_PROTOCOL);
    if (len == 0)
        return false; /* none offered is taken as v1 */
    struct text t = {offered, offered + (len > 0 ? len : 0)}, word;
    while (text_until(&t, ',', sizeof offered, &word)) {
        while (word.p < word.end && *word.p == ' ')
            word.p++;
        while (word.p < word.end && word.end[-1] == ' ')
            word.end--;
        if (text_equals(word, WS_SUBPROTOCOL))
            return false;
        (void)text_char(&t, ',');
    }
    return true;
}

/* lws does not look at it; RFC 6455 section 4.2.1 does. */
static bool is_version_13(struct lws *wsi)
{
    char version[8];
    return lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION) > 0 &&
           strcmp(version, "13") == 0;
}

/* Who asks, and do we answer to that name? 0, or what lws is to get.
 *
 * A listed proxy gets one answer from each connection. lws overlooks a header behind one whose name
 * is the beginning of a name that it knows ("X-A: b"): with a Content-Length there, a stranger's
 * body would be the proxy's next request, in anybody's name, and the answers would go to the wrong
 * people. */
static int check_client(struct ws_server *w, struct lws *wsi, struct client *c)
{
    if (c->by_proxy && c->served)
        return -1;
    c->served = true;
    char proto_bytes[32], host_bytes[HOST_SIZE];
    struct text forwarded =
        http_header(wsi, WSI_TOKEN_X_FORWARDED_FOR, w->scratch, sizeof w->scratch);
    int len = lws_hdr_custom_copy(wsi, proto_bytes, sizeof proto_bytes, "x-forwarded-proto:", 18);
    struct text proto = text_of(proto_bytes, len > 0 ? (size_t)len : 0);
    if (!client_identify(c, forwarded, proto))
        return http_refuse(wsi, 429, "too many connections of this address: try again later");
    struct text host = http_header(wsi, WSI_TOKEN_HOST, host_bytes, sizeof host_bytes);
    if (w->o.local_names_only && !origin_host_is_local(host)) {
        ws_log_refusal(w, c, "host-refused", host);
        return http_refuse(wsi, HTTP_STATUS_FORBIDDEN,
                           "in development mode this bridge answers to localhost only");
    }
    return 0;
}

static int check_origin(struct ws_server *w, struct lws *wsi, struct client *c)
{
    char origin_bytes[ORIGIN_SIZE], host_bytes[HOST_SIZE];
    struct text origin = http_header(wsi, WSI_TOKEN_ORIGIN, origin_bytes, sizeof origin_bytes);
    struct text host = http_header(wsi, WSI_TOKEN_HOST, host_bytes, sizeof host_bytes);
    if (text_end(&origin) && lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0)
        origin = text_of_str("too long");
    if (origin_allowed(&w->o.origins, origin, host, c->tls))
        return 0;
    w->stats.origins_refused++;
    ws_log_refusal(w, c, "origin-refused", origin);
    return http_refuse(
        wsi, HTTP_STATUS_FORBIDDEN,
        "pages of this origin may not connect: the bridge's option `origin` lists who may, and"
        " behind a proxy with TLS the proxy belongs into `trusted_proxy`");
}

/* Refused here, a client still gets an HTTP answer; after the upgrade lws only drops connections.
 * Not 1 but -1: with 1 lws may go on with the connection, and read a body as the next request. */
int ws_request_upgrade(struct ws_server *w, struct lws *wsi)
{
    char path[16], kind[16];
    int len = lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI);
    struct client *c = ws_client_of(wsi);
    if (!c || lws_hdr_copy(wsi, kind, sizeof kind, WSI_TOKEN_UPGRADE) <= 0)
        return -1; /* lws has refused it already, and asks all the same */
    if (strcasecmp(kind, "websocket") != 0)
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "upgrades go to websocket only");
    if (len <= 0 || strcmp(path, "/ws") != 0)
        return http_refuse(wsi, HTTP_STATUS_NOT_FOUND, "WebSockets are served at /ws");
    if (!http_sound(wsi, path))
        return -1;
    if (!is_version_13(wsi))
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST, "only WebSocket version 13 is spoken");
    if (offers_only_unknown(wsi))
        return http_refuse(wsi, HTTP_STATUS_BAD_REQUEST,
                           "unknown subprotocol: offer " WS_SUBPROTOCOL " or none");
    int refused = check_client(w, wsi, c);
    return refused ? refused : check_origin(w, wsi, c);
}

/* Before lws looks for a file. */
int ws_request_filter(struct ws_server *w, struct lws *wsi, const char *path)
{
    struct client *c = ws_client_of(wsi);
    return c && http_sound(wsi, path) && check_client(w, wsi, c) == 0 ? 0 : -1;
}

int ws_request_page(struct ws_server *w, struct lws *wsi, const char *path)
{
    struct client *c = ws_client_of(wsi);
    if (!c)
        return -1;
    struct http_request q = {
        .path = path,
        .token = http_token(wsi, w->scratch),
        .visitor = c->visitor,
        .loopback = c->local,
        .last = c->by_proxy,
    };
    int result = http_answer(&w->http, wsi, &q);
    explicit_bzero(w->scratch, sizeof w->scratch);
    return result;
}
