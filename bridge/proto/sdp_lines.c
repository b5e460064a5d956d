/* The lines of an SDP that are not attributes. */
#include "proto/sdp_parse.h"

static bool is_visible(char c)
{
    return c > 0x20 && c < 0x7f;
}

/* RFC 8866 section 9: non-ws-string, without what is not ASCII. */
static bool take_word(struct text *t, struct text *out)
{
    return text_run(t, is_visible, SDP_MAX_WORD, out) && (text_end(t) || *t->p == ' ');
}

static bool take_token(struct text *t, struct text *out)
{
    return text_run(t, text_is_token, SDP_MAX_WORD, out);
}

/* Real endpoints count the session id in 64 bits; the RFC gives no bound, readers do. */
static bool take_id(struct text *t)
{
    struct text digits;
    return text_digits(t, 20, &digits) && text_char(t, ' ');
}

/* RFC 8866 section 8.2.6: nothing but the Internet is registered for WebRTC's use. */
static bool take_network(struct text *t)
{
    return sdp_takes(t, "IN IP4 ") || sdp_takes(t, "IN IP6 ");
}

enum status sdp_line_version(struct sdp_parser *p, struct text t)
{
    if (!text_equals(t, "0")) /* RFC 8866 section 5.1 */
        return sdp_refuse(p, "sdp-version", "the first line must be v=0");
    return STATUS_OK;
}

/* RFC 8866 section 5.2. The address is often a placeholder and may be a host name. */
enum status sdp_line_origin(struct sdp_parser *p, struct text t)
{
    struct text user, address;
    t = sdp_trim_end(t);
    if (!take_word(&t, &user) || !text_char(&t, ' ') || !take_id(&t) || !take_id(&t) ||
        !take_network(&t) || !take_word(&t, &address) || !text_end(&t))
        return sdp_refuse(p, "sdp-origin",
                          "write o= as: user name or -, session number, version number, IN, IP4 or "
                          "IP6, address");
    return STATUS_OK;
}

/* RFC 8866 section 5.9. */
enum status sdp_line_time(struct sdp_parser *p, struct text t)
{
    uint64_t start, stop;
    t = sdp_trim_end(t);
    if (!text_uint(&t, UINT64_MAX, &start) || !text_char(&t, ' ') ||
        !text_uint(&t, UINT64_MAX, &stop) || !text_end(&t))
        return sdp_refuse(p, "sdp-time", "write t=0 0: a start and a stop time");
    return STATUS_OK;
}

/* RFC 8866 section 5.7. With ICE the address has no effect, candidates say where to send, so only
 * the shape counts; a slash means multicast, which WebRTC has not. */
enum status sdp_line_connection(struct sdp_parser *p, struct text t)
{
    struct text address;
    if (!take_network(&t) || !take_word(&t, &address) || memchr(address.p, '/', text_len(&address)))
        return sdp_refuse(
            p, "sdp-connection",
            "write c=IN IP4 or c=IN IP6 and one unicast address, as c=IN IP4 0.0.0.0");
    return STATUS_OK;
}

/* RFC 8866 section 5.8. */
enum status sdp_line_bandwidth(struct sdp_parser *p, struct text t)
{
    struct text type;
    uint64_t value;
    t = sdp_trim_end(t);
    if (!take_token(&t, &type) || !text_char(&t, ':') || !text_uint(&t, UINT64_MAX, &value) ||
        !text_end(&t))
        return sdp_refuse(p, "sdp-bandwidth", "write b= as type, colon and number, as b=AS:2000");
    return STATUS_OK;
}

/* RFC 8866 section 9: proto = token *("/" token). *rtp: its formats are payload types. */
static bool take_proto(struct text *t, bool *rtp)
{
    struct text part;
    *rtp = false;
    do {
        if (!take_token(t, &part))
            return false;
        *rtp |= text_equals(part, "RTP");
    } while (text_char(t, '/'));
    return true;
}

/* RFC 8866 section 5.14: m=<media> <port> <proto> <fmt> ... The form "port/count" is for layers on
 * several ports, which ICE does not have. */
enum status sdp_line_media(struct sdp_parser *p, struct text t)
{
    static const char shape[] = "write m= as: media, port from 0 to 65535, transport, at least one "
                                "format, one space between";
    struct text media, format;
    uint64_t port, payload_type;
    unsigned formats = 0;
    bool rtp;

    if (p->sections == SDP_MAX_SECTIONS)
        return sdp_too_large(p, "sdp-sections", "use fewer media sections (m= lines)");
    t = sdp_trim_end(t);
    if (!take_token(&t, &media) || !text_char(&t, ' ') || !text_uint(&t, 65535, &port) ||
        !text_char(&t, ' ') || !take_proto(&t, &rtp))
        return sdp_refuse(p, "sdp-media", shape);
    while (!text_end(&t)) {
        if (++formats > SDP_MAX_FORMATS)
            return sdp_too_large(p, "sdp-formats", "shorten m=: 128 formats are the most");
        if (!text_char(&t, ' '))
            return sdp_refuse(p, "sdp-media", shape);
        if (rtp ? !sdp_number(&t, 127, &payload_type) : !take_word(&t, &format))
            return sdp_refuse(p, "sdp-format",
                              rtp ? "formats of RTP must be payload types from 0 to 127" : shape);
    }
    if (formats == 0)
        return sdp_refuse(p, "sdp-media", shape);
    p->at = &p->section[p->sections++];
    *p->at = (struct sdp_section){.line = p->line, .zero_port = port == 0};
    return STATUS_OK;
}
