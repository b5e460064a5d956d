#include "io/http_headers.h"

#include "policy/bearer.h"

#include <string.h>

/* Scripts and styles come from files of the same place only; a page may signal anywhere. The camera
 * and the microphone are for our own pages. */
#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "media-src 'self' blob:; font-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; "  \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct lws_protocol_vhost_options plain[] = {
    {&plain[1], NULL, "content-security-policy:", CSP},
    {&plain[2], NULL, "x-content-type-options:", "nosniff"},
    {&plain[3], NULL, "referrer-policy:", "no-referrer"},
    {&plain[4], NULL, "cross-origin-opener-policy:", "same-origin"},
    {&plain[5], NULL, "x-frame-options:", "DENY"}, /* for browsers before frame-ancestors */
    {NULL, NULL, "permissions-policy:",
     "camera=(self), microphone=(self), display-capture=(self), "
     "geolocation=(), payment=(), usb=()"},
};

/* RFC 6797: a year. */
static const struct lws_protocol_vhost_options secure[] = {
    {&plain[0], NULL, "strict-transport-security:", "max-age=31536000"},
};

const struct lws_protocol_vhost_options *http_headers(bool tls)
{
    return tls ? secure : plain;
}

struct text http_header(struct lws *wsi, enum lws_token_indexes token, char *bytes, size_t size)
{
    int len = lws_hdr_copy(wsi, bytes, (int)size, token);
    return text_of(bytes, len > 0 ? (size_t)len : 0);
}

struct text http_token(struct lws *wsi, char bytes[HTTP_HEADERS_MAX])
{
    struct text token =
        bearer_token(http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, bytes, HTTP_HEADERS_MAX));
    int len;
    for (int i = 0; text_end(&token); i++) {
        len = lws_hdr_copy_fragment(wsi, bytes, HTTP_HEADERS_MAX, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            return text_of_str("");
        struct text argument = text_of(bytes, (size_t)len);
        if (text_literal(&argument, "token="))
            token = argument;
    }
    return token;
}

bool http_put_header(struct lws *wsi, const char *name, struct text value, unsigned char **p,
                     unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value.p, (int)text_len(&value), p,
                                       end) == 0;
}
