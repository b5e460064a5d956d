#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proto/names.h"

static const char usage[] =
    "usage: sigbridge-camera [options]\n"
    "A camera that shows its picture to everyone who calls it. Signaling over MQTT.\n"
    "\n"
    "Broker\n"
    "  --broker URL         mqtt://HOST[:PORT], mqtts://HOST[:PORT] or unix:PATH\n"
    "                       (default mqtt://127.0.0.1:1883)\n"
    "  --user NAME          MQTT user name (usually the same as --name)\n"
    "  --password-file FILE its first line is the password\n"
    "  --ca-file FILE       CA certificate for mqtts (default: the system's)\n"
    "  --cert-file FILE, --key-file FILE   client certificate for mqtts\n"
    "  --mqtt 5|3.1.1       protocol version (default 5)\n"
    "  --prefix TOPIC       topic prefix (default sigbridge/v1)\n"
    "  --keepalive S        5 to 3600 (default 30); a dead connection is noticed after about "
    "twice\n"
    "                       that\n"
    "  --presence-ttl S     the presence is renewed at half of it, 2 to 86400 (default 120); 0: "
    "not\n"
    "\n"
    "Who\n"
    "  --room NAME          room to join (default lobby)\n"
    "  --name NAME          name in the room (default cam1)\n"
    "\n"
    "Picture and sound\n"
    "  --source SOURCE      test, v4l2:DEVICE, rtsp:URL or file:PATH (default test)\n"
    "  --pattern NAME       of the test source: smpte or ball (default smpte)\n"
    "  --size WxH           default 640x360\n"
    "  --fps N              1 to 120 (default 25)\n"
    "  --bitrate N          kbit/s, 50 to 50000 (default by size and rate)\n"
    "  --codec VP8|H264     preferred when the viewer takes both (default VP8)\n"
    "  --audio on|off       send sound too (default off; not with v4l2)\n"
    "\n"
    "Viewers\n"
    "  --max-viewers N      1 to 256 at once (default 16)\n"
    "  --connect-timeout S  seconds until a call that does not connect is dropped (default 30)\n"
    "  --stun URL           stun:HOST[:PORT]; repeatable. Added to what the bridge tells\n"
    "  --turn URL           turn:USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]; repeatable\n"
    "  --address ADDRESS    offer only this local address; repeatable (default: all but\n"
    "                       loopback, and loopback when there is no other)\n"
    "\n"
    "  --log-level LEVEL    debug, info, warn or error (default info)\n"
    "  --help, --version\n";

const char *options_usage(void)
{
    return usage;
}

/* What one option's value is read with. */
struct reading {
    struct options *out;
    const char *option;
    char *why;
    size_t why_size;
};

static bool wrong(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct reading *r, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(r->why, r->why_size, "%s: %s", r->option, text);
    return false;
}

static bool number(struct reading *r, const char *value, unsigned min, unsigned max, unsigned *out)
{
    struct text t = text_of_str(value);
    uint64_t n;
    if (!text_uint(&t, max, &n) || !text_end(&t) || n < min)
        return wrong(r, "give a number from %u to %u", min, max);
    *out = (unsigned)n;
    return true;
}

static bool is_host_char(char c)
{
    return text_is_alnum(c) || c == '.' || c == '-' || c == '_';
}

static bool is_ipv6_char(char c)
{
    return text_is_hex(c) || c == ':' || c == '.';
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT */
static bool host_port(struct text t, char *host, uint16_t *port)
{
    struct text name;
    uint64_t n;
    if (text_char(&t, '[')) {
        if (!text_run(&t, is_ipv6_char, OPTIONS_HOST_MAX, &name) || !text_char(&t, ']'))
            return false;
    } else if (!text_run(&t, is_host_char, OPTIONS_HOST_MAX, &name)) {
        return false;
    }
    memcpy(host, name.p, text_len(&name));
    host[text_len(&name)] = '\0';
    *port = 0;
    if (text_char(&t, ':')) {
        if (!text_uint(&t, 65535, &n) || n == 0)
            return false;
        *port = (uint16_t)n;
    }
    text_char(&t, '/');
    return text_end(&t);
}

static bool read_broker(struct reading *r, const char *value)
{
    struct options *o = r->out;
    struct text t = text_of_str(value);
    o->unix_path = NULL;
    o->tls = false;
    if (text_literal(&t, "unix:")) {
        if (text_end(&t) || text_len(&t) > 107)
            return wrong(r, "give the path of the socket behind unix:, at most 107 bytes");
        o->unix_path = t.p;
        o->host[0] = '\0';
        return true;
    }
    if (text_literal(&t, "mqtts://"))
        o->tls = true;
    else if (!text_literal(&t, "mqtt://"))
        return wrong(r, "give mqtt://HOST[:PORT], mqtts://HOST[:PORT] or unix:PATH");
    if (!host_port(t, o->host, &o->port))
        return wrong(r, "give a host name or address and a port from 1 to 65535, as mqtt://"
                        "broker.example:1883 or mqtt://[::1]:1883; the user name goes into --user");
    return true;
}

static bool read_source(struct reading *r, const char *value)
{
    static const struct {
        const char *prefix;
        enum source_kind kind;
        const char *missing;
    } kinds[] = {
        {"v4l2:", SOURCE_V4L2, "give the device behind v4l2:, as v4l2:/dev/video0"},
        {"rtsp:", SOURCE_RTSP, "give the address behind rtsp:, as rtsp:rtsp://10.0.0.7/stream"},
        {"file:", SOURCE_FILE, "give the path behind file:, as file:clip.mp4"},
    };
    if (strcmp(value, "test") == 0) {
        r->out->source = SOURCE_TEST;
        r->out->source_arg = NULL;
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct text t = text_of_str(value);
        if (!text_literal(&t, kinds[i].prefix))
            continue;
        if (text_end(&t))
            return wrong(r, "%s", kinds[i].missing);
        r->out->source = kinds[i].kind;
        /* rtsp://... alone says all there is to say */
        struct text url = t;
        r->out->source_arg = kinds[i].kind == SOURCE_RTSP && text_literal(&url, "//") ? value : t.p;
        return true;
    }
    return wrong(r, "give test, v4l2:DEVICE, rtsp:URL or file:PATH");
}

static bool read_name(struct reading *r, const char *value, const char **out)
{
    if (!name_ok(value, strlen(value)))
        return wrong(r, "give 1 to %d of A-Z a-z 0-9 . _ ~ -, the first one a letter or digit",
                     NAME_MAX_BYTES);
    *out = value;
    return true;
}

static bool read_room(struct reading *r, const char *value)
{
    return read_name(r, value, &r->out->room);
}

static bool read_peer(struct reading *r, const char *value)
{
    return read_name(r, value, &r->out->name);
}

static bool read_pattern(struct reading *r, const char *value)
{
    if (strcmp(value, "smpte") != 0 && strcmp(value, "ball") != 0)
        return wrong(r, "give smpte or ball");
    r->out->pattern = value;
    return true;
}

static bool read_size(struct reading *r, const char *value)
{
    struct text t = text_of_str(value);
    uint64_t width, height;
    if (!text_uint(&t, OPTIONS_SIZE_MAX, &width) || !text_char(&t, 'x') ||
        !text_uint(&t, OPTIONS_SIZE_MAX, &height) || !text_end(&t) || width < 16 || height < 16 ||
        width % 2 || height % 2)
        return wrong(r, "give WIDTHxHEIGHT, both even and from 16 to %d, as 1280x720",
                     OPTIONS_SIZE_MAX);
    r->out->width = (unsigned)width;
    r->out->height = (unsigned)height;
    return true;
}

static bool read_codec(struct reading *r, const char *value)
{
    enum codec c = codec_by_name(text_of_str(value));
    if (c == CODEC_COUNT || codec_info(c)->kind != KIND_VIDEO)
        return wrong(r, "give VP8 or H264");
    r->out->prefer = c;
    return true;
}

static bool read_audio(struct reading *r, const char *value)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return wrong(r, "give on or off");
    r->out->audio = strcmp(value, "on") == 0;
    return true;
}

static bool read_mqtt(struct reading *r, const char *value)
{
    if (strcmp(value, "5") != 0 && strcmp(value, "3.1.1") != 0)
        return wrong(r, "give 5 or 3.1.1");
    r->out->mqtt311 = value[0] == '3';
    return true;
}

static bool read_log_level(struct reading *r, const char *value)
{
    return log_level_parse(value, &r->out->log_level) ||
           wrong(r, "give debug, info, warn or error");
}

static bool append(struct reading *r, const char *value, const char *list[], unsigned *count)
{
    if (*count == OPTIONS_ICE_MAX)
        return wrong(r, "at most %d of them", OPTIONS_ICE_MAX);
    list[(*count)++] = value;
    return true;
}

static bool read_stun(struct reading *r, const char *value)
{
    struct text t = text_of_str(value);
    char host[OPTIONS_HOST_MAX + 1];
    uint16_t port;
    if (!text_literal(&t, "stun:") || !host_port(t, host, &port))
        return wrong(r, "give stun:HOST[:PORT]");
    return append(r, value, r->out->stun, &r->out->stun_count);
}

static bool read_turn(struct reading *r, const char *value)
{
    const char *at = strrchr(value, '@'), *colon = strchr(value, ':');
    if ((strncmp(value, "turn:", 5) != 0 && strncmp(value, "turns:", 6) != 0) || !at ||
        !memchr(colon + 1, ':', (size_t)(at - colon)) || at[1] == '\0')
        return wrong(r, "give turn:USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]");
    return append(r, value, r->out->turn, &r->out->turn_count);
}

static bool read_address(struct reading *r, const char *value)
{
    struct text t = text_of_str(value), address;
    if (!text_run(&t, is_ipv6_char, 45, &address) || !text_end(&t))
        return wrong(r, "give a local IPv4 or IPv6 address");
    return append(r, value, r->out->address, &r->out->address_count);
}

static bool read_bitrate(struct reading *r, const char *value)
{
    return number(r, value, 50, 50000, &r->out->bitrate);
}

static bool read_fps(struct reading *r, const char *value)
{
    return number(r, value, 1, 120, &r->out->fps);
}

static bool read_viewers(struct reading *r, const char *value)
{
    return number(r, value, 1, OPTIONS_VIEWERS_MAX, &r->out->max_viewers);
}

static bool read_keepalive(struct reading *r, const char *value)
{
    return number(r, value, 5, 3600, &r->out->keepalive);
}

static bool read_ttl(struct reading *r, const char *value)
{
    if (!number(r, value, 0, 86400, &r->out->ttl))
        return false;
    return r->out->ttl != 1 || wrong(r, "give 0 or a number from 2 to 86400");
}

static bool read_timeout(struct reading *r, const char *value)
{
    return number(r, value, 1, 3600, &r->out->connect_timeout);
}

/* An option either has a reader or just keeps its text at an offset. */
#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, NULL, offsetof(struct options, member)                                               \
    }
#define READ(name, reader)                                                                         \
    {                                                                                              \
        name, reader, 0                                                                            \
    }

static const struct {
    const char *name;
    bool (*read)(struct reading *r, const char *value);
    size_t offset;
} table[] = {
    READ("--broker", read_broker),
    TEXT("--user", user),
    TEXT("--password-file", password_file),
    TEXT("--ca-file", ca_file),
    TEXT("--cert-file", cert_file),
    TEXT("--key-file", key_file),
    READ("--mqtt", read_mqtt),
    TEXT("--prefix", prefix),
    READ("--keepalive", read_keepalive),
    READ("--presence-ttl", read_ttl),
    READ("--room", read_room),
    READ("--name", read_peer),
    READ("--source", read_source),
    READ("--pattern", read_pattern),
    READ("--size", read_size),
    READ("--fps", read_fps),
    READ("--bitrate", read_bitrate),
    READ("--codec", read_codec),
    READ("--audio", read_audio),
    READ("--max-viewers", read_viewers),
    READ("--connect-timeout", read_timeout),
    READ("--stun", read_stun),
    READ("--turn", read_turn),
    READ("--address", read_address),
    READ("--log-level", read_log_level),
};

static bool read_one(struct reading *r, const char *value)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(r->option, table[i].name) != 0)
            continue;
        if (!value)
            return wrong(r, "a value must follow");
        if (table[i].read)
            return table[i].read(r, value);
        const char **text = (const char **)(void *)((char *)r->out + table[i].offset);
        *text = value;
        return value[0] != '\0' || wrong(r, "the value is empty");
    }
    return wrong(r, "no such option; see --help");
}

/* What only the whole can tell. */
static bool consistent(struct reading *r)
{
    struct options *o = r->out;
    if (o->password_file && !o->user) {
        r->option = "--password-file";
        return wrong(r, "a password goes with a user name; add --user");
    }
    if (!o->tls && (o->ca_file || o->cert_file || o->key_file)) {
        r->option = o->ca_file ? "--ca-file" : o->cert_file ? "--cert-file" : "--key-file";
        return wrong(r, "certificates are for TLS only; use --broker mqtts://HOST");
    }
    if (!o->cert_file != !o->key_file) {
        r->option = o->cert_file ? "--cert-file" : "--key-file";
        return wrong(r, "--cert-file and --key-file go together");
    }
    if (o->audio && o->source == SOURCE_V4L2) {
        r->option = "--audio";
        return wrong(r, "a V4L2 device has no sound; use --audio off");
    }
    if (o->bitrate == 0) { /* about 0.12 bits a pixel: plain, and cheap enough for WLAN */
        uint64_t kbit = (uint64_t)o->width * o->height * o->fps / 8000;
        o->bitrate = kbit < 200 ? 200 : kbit > 20000 ? 20000 : (unsigned)kbit;
    }
    return true;
}

enum options_result options_read(int argc, const char *const argv[], struct options *out, char *why,
                                 size_t why_size)
{
    *out = (struct options){.host = "127.0.0.1",
                            .room = "lobby",
                            .name = "cam1",
                            .pattern = "smpte",
                            .width = 640,
                            .height = 360,
                            .fps = 25,
                            .prefer = CODEC_VP8,
                            .keepalive = 30,
                            .ttl = 120,
                            .max_viewers = 16,
                            .connect_timeout = 30,
                            .log_level = LOG_INFO};
    struct reading r = {.out = out, .why = why, .why_size = why_size};
    char name[32];
    for (int i = 1; i < argc; i++) {
        r.option = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        const char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return OPTIONS_VERSION;
        if (equals && (size_t)(equals - argv[i]) < sizeof name) { /* --option=value */
            memcpy(name, argv[i], (size_t)(equals - argv[i]));
            name[equals - argv[i]] = '\0';
            r.option = name;
            value = equals + 1;
        } else {
            i++;
        }
        if (!read_one(&r, value))
            return OPTIONS_WRONG;
    }
    return consistent(&r) ? OPTIONS_RUN : OPTIONS_WRONG;
}

void options_source_name(const struct options *options, char *out, size_t size)
{
    static const char *const names[] = {"test", "v4l2:", "rtsp:", "file:"};
    const char *arg = options->source_arg ? options->source_arg : "";
    const char *slashes = strstr(arg, "://");
    if (options->source == SOURCE_RTSP && slashes) {
        const char *host = slashes + 3;
        const char *at = strrchr(host, '@'); /* a password may hold an unescaped slash */
        snprintf(out, size, "%s%.*s%s", names[options->source], (int)(host - arg), arg,
                 at ? at + 1 : host);
        return;
    }
    snprintf(out, size, "%s%s", names[options->source], arg);
}
