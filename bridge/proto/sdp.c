#include "proto/sdp.h"

#include "proto/sdp_parse.h"

enum status sdp_refuse(struct sdp_parser *p, const char *rule, const char *text)
{
    return problem_set(p->why, STATUS_INVALID_SDP, p->line, rule, "%s", text);
}

enum status sdp_too_large(struct sdp_parser *p, const char *rule, const char *text)
{
    return problem_set(p->why, STATUS_TOO_LARGE, p->line, rule, "%s", text);
}

/* Where we are in the order of RFC 8866 section 5. */
enum stage { BEFORE_V, BEFORE_O, BEFORE_S, BEFORE_T, IN_SESSION, IN_MEDIA };

static bool is_utf8(struct text t)
{
    const unsigned char *p = (const unsigned char *)t.p, *end = (const unsigned char *)t.end;
    while (p < end) {
        unsigned char c = *p++;
        if (c < 0x80)
            continue;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || end - p < more)
            return false;
        /* RFC 3629 section 4: no overlong form, no surrogate, nothing above U+10FFFF. */
        if ((c == 0xe0 && *p < 0xa0) || (c == 0xed && *p > 0x9f) || (c == 0xf0 && *p < 0x90) ||
            (c == 0xf4 && *p > 0x8f))
            return false;
        for (; more > 0; more--)
            if ((*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* True when all bytes are 0x20 to 0x7e, eight at a time: nearly every line is. */
static bool is_plain(struct text t)
{
    const uint64_t ones = UINT64_MAX / 255, tops = ones * 128;
    uint64_t bad = 0;
    for (; t.end - t.p >= 8; t.p += 8) {
        uint64_t x;
        memcpy(&x, t.p, 8);
        uint64_t del = x ^ ones * 0x7f;
        bad |= x | ((x - ones * 0x20) & ~x) | ((del - ones) & ~del);
    }
    bool plain = (bad & tops) == 0;
    for (; t.p < t.end; t.p++)
        plain &= *t.p >= 0x20 && *t.p < 0x7f;
    return plain;
}

/* C1 controls, and the line and paragraph separators. Some readers end a line there (Python's
 * splitlines()): what is one line to us must not be two behind us. */
static bool is_separator(const char *c, const char *end)
{
    static const char line[] = "\xe2\x80\xa8", paragraph[] = "\xe2\x80\xa9";
    if (end - c >= 2 && c[0] == '\xc2')
        return (unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xa0;
    return end - c >= 3 && (memcmp(c, line, 3) == 0 || memcmp(c, paragraph, 3) == 0);
}

/* RFC 8866 section 9 (byte-string) rules out NUL, CR and LF. No endpoint sends other controls but
 * the tab, and they spoil logs and terminals. Beyond ASCII there must be UTF-8 (section 5). */
static enum status check_bytes(struct sdp_parser *p, struct text t)
{
    if (is_plain(t))
        return STATUS_OK;
    for (const char *c = t.p; c < t.end; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f || is_separator(c, t.end))
            return sdp_refuse(p, "sdp-control-character",
                              "remove the control character; lines end with LF or CRLF");
    if (!is_utf8(t))
        return sdp_refuse(p, "sdp-utf8", "encode the text as UTF-8");
    return STATUS_OK;
}

/* The first lines: v= o= s=, in this order and once (RFC 8866 section 5). */
static enum status check_head(struct sdp_parser *p, char type, struct text t, enum stage *stage)
{
    static const char expected[] = "vos";
    static const char *const say[] = {"begin the description with v=0",
                                      "the second line must be o=, the origin",
                                      "the third line must be s=, the session name"};
    if (type != expected[*stage])
        return sdp_refuse(p, "sdp-order", say[*stage]);
    switch ((*stage)++) {
    case BEFORE_V:
        return sdp_line_version(p, t);
    case BEFORE_O:
        return sdp_line_origin(p, t);
    default:
        break;
    }
    if (text_end(&t)) /* RFC 8866 section 5.3: s= must not be empty */
        return sdp_refuse(p, "sdp-session-name", "write s=- when the session has no name");
    return STATUS_OK;
}

/* Session lines behind s=. c= and b= pass behind t= too, as they pass behind a= in media sections.
 */
static enum status check_session(struct sdp_parser *p, char type, struct text t, enum stage *stage)
{
    bool timed = *stage == IN_SESSION;
    switch (type) {
    case 'i':
    case 'u':
    case 'e':
    case 'p':
        if (timed)
            return sdp_refuse(p, "sdp-order", "put i=, u=, e= and p= before t=");
        return STATUS_OK;
    case 'c':
        return sdp_line_connection(p, t);
    case 'b':
        return sdp_line_bandwidth(p, t);
    case 't':
        *stage = IN_SESSION;
        return sdp_line_time(p, t);
    case 'r':
    case 'z':
    case 'a':
    case 'm':
        if (!timed)
            return sdp_refuse(p, "sdp-order", "a t= line must stand before r=, z=, a= and m=");
        if (type == 'a')
            return sdp_line_attribute(p, t);
        if (type == 'm') {
            *stage = IN_MEDIA;
            return sdp_line_media(p, t);
        }
        return STATUS_OK;
    default:
        return sdp_refuse(p, "sdp-order", "remove the line: its type has no place here");
    }
}

/* RFC 8866 wants i= c= b= a= in this order; some devices send c= and b= behind a=. */
static enum status check_media(struct sdp_parser *p, char type, struct text t)
{
    switch (type) {
    case 'a':
        return sdp_line_attribute(p, t);
    case 'm':
        return sdp_line_media(p, t);
    case 'c':
        return sdp_line_connection(p, t);
    case 'b':
        return sdp_line_bandwidth(p, t);
    case 'i':
        return STATUS_OK;
    default:
        return sdp_refuse(p, "sdp-order",
                          "only i=, c=, b=, a= and the next m= may stand in a media section");
    }
}

static enum status check_line(struct sdp_parser *p, struct text t, enum stage *stage)
{
    if (text_end(&t) && *stage >= IN_SESSION) /* against RFC 8866, but Firefox reads over it */
        return STATUS_OK;
    if (text_end(&t))
        return sdp_refuse(p, "sdp-blank-line", "remove the empty line");
    if (text_len(&t) > SDP_MAX_LINE)
        return sdp_too_large(p, "sdp-line-length", "shorten the line: it may have 4096 bytes");
    enum status status = check_bytes(p, t);
    if (status != STATUS_OK)
        return status;
    char type = *t.p;
    if (text_len(&t) < 2 || t.p[1] != '=' || type < 'a' || type > 'z')
        return sdp_refuse(p, "sdp-line",
                          "begin each line with one lower-case letter and =, without spaces");
    t.p += 2;
    if (type == 'k') /* RFC 8866 section 5.12: obsolete, must not be used */
        return sdp_refuse(p, "sdp-key", "remove k=: it is obsolete and shows a key");
    if (*stage <= BEFORE_S)
        return check_head(p, type, t, stage);
    status = *stage == IN_MEDIA ? check_media(p, type, t) : check_session(p, type, t, stage);
    if (status == STATUS_OK && ++p->at->lines > SDP_MAX_SECTION_LINES)
        return sdp_too_large(p, "sdp-section-lines",
                             "shorten this section: 1024 lines are the most");
    return status;
}

/* Not the whole parser: nobody reads a section before m= has filled it in. */
static void parser_init(struct sdp_parser *p, enum sdp_kind kind, struct problem *why)
{
    p->kind = kind;
    p->why = why;
    p->line = 0;
    p->session = (struct sdp_section){0};
    p->at = &p->session;
    p->sections = p->bundles = p->tags = 0;
    memset(p->mid_slots, 0, sizeof p->mid_slots);
}

enum status sdp_check(enum sdp_kind kind, const char *sdp, size_t len, struct problem *why)
{
    struct sdp_parser p;
    parser_init(&p, kind, why);
    if (len > SDP_MAX_BYTES)
        return sdp_too_large(&p, "sdp-length",
                             "shorten the description: 200000 bytes are the most");
    if (len == 0)
        return sdp_refuse(&p, "sdp-empty", "send a session description: this one is empty");

    struct text all = text_of(sdp, len), line;
    enum stage stage = BEFORE_V;
    while (text_line(&all, &line)) {
        if (++p.line > SDP_MAX_LINES)
            return sdp_too_large(&p, "sdp-lines",
                                 "shorten the description: 8192 lines are the most");
        enum status status = check_line(&p, line, &stage);
        if (status != STATUS_OK)
            return status;
    }
    if (stage < IN_SESSION)
        return sdp_refuse(&p, "sdp-incomplete",
                          "the description ends too early: v=, o=, s= and t= are needed");
    return sdp_check_sections(&p);
}
