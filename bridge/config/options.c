#include "config/option.h"

#include "base/text.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const presence_scopes[] = {"all", "rooms", NULL};

/* How variables begin that carry our prefix and are not ours to judge: the tests' own, and what
 * Kubernetes puts into every container of a namespace that has a service called "sigbridge". */
const char *const option_env_foreign[] = {"SIGBRIDGE_TEST_",
                                          "SIGBRIDGE_BIN=",
                                          "SIGBRIDGE_CAMERA_BIN=",
                                          "SIGBRIDGE_PORT=tcp://",
                                          "SIGBRIDGE_PORT_",
                                          "SIGBRIDGE_SERVICE_",
                                          NULL};

#define ANYWHERE (OPTION_IN_FILE | OPTION_IN_ENV | OPTION_IN_FLAGS)
#define QUIETLY  (OPTION_IN_FILE | OPTION_IN_ENV)
#define AT(m)    offsetof(struct config, m)
#define ROWS(a)  (sizeof(a) / sizeof *(a))

#define ICE(m) offsetof(struct ice_server, m)
static const struct option ice_server_members[] = {
    {.name = "urls",
     .type = OPTION_STRINGS,
     .traits = OPTION_IN_FILE | OPTION_REQUIRED,
     .offset = ICE(urls),
     .max = 8,
     .check = ice_url_ok,
     .example = "[\"turn:turn.example.org:3478?transport=udp\"]",
     .help = "One URL or several: stun:, stuns:, turn: or turns:, host, optional port."},
    {.name = "username",
     .type = OPTION_TEXT,
     .traits = OPTION_IN_FILE,
     .offset = ICE(username),
     .check = value_is_plain,
     .example = "\"sigbridge\"",
     .help = "For turn: and turns:."},
    {.name = "credential",
     .type = OPTION_TEXT,
     .traits = OPTION_IN_FILE | OPTION_SECRET,
     .offset = ICE(credential),
     .check = value_is_plain,
     .example = "\"...\"",
     .help = "For turn: and turns:. Every browser that joins gets to see it."},
    {.name = "credential_file",
     .type = OPTION_PATH,
     .traits = OPTION_IN_FILE,
     .offset = ICE(credential_file),
     .example = "\"/etc/sigbridge/turn-credential\"",
     .help = "The same, in a file of its own."},
};
static const struct option_table ice_server_table = {ice_server_members, ROWS(ice_server_members),
                                                     sizeof(struct ice_server)};

static bool check_ice_server(const void *item, const char **why)
{
    const struct ice_server *s = item;
    if (s->credential && s->credential_file) {
        *why = "has both a credential and a credential_file: keep one";
        return false;
    }
    for (size_t i = 0; i < s->urls.count; i++) {
        if (ice_url_is_turn(s->urls.items[i]) &&
            (!s->username || (!s->credential && !s->credential_file))) {
            *why = "has a turn URL, so it needs a username and a credential (or credential_file)";
            return false;
        }
    }
    return true;
}

static const struct option rows[] = {
    {.name = "config",
     .type = OPTION_PATH,
     .traits = OPTION_IN_ENV | OPTION_IN_FLAGS,
     .letter = 'c',
     .value = "FILE",
     .offset = AT(ask.config),
     .help = "Read this file: every option of this list and more, see `sigbridge help file`."},
    {.name = "listen",
     .type = OPTION_ENDPOINT,
     .traits = ANYWHERE,
     .value = "ADDR:PORT",
     .offset = AT(listen),
     .fallback = "127.0.0.1:8080",
     .help = "HTTP and WebSocket: an IPv4 address or [IPv6], and a port; port 0 is any free one."},
    {.name = "broker",
     .type = OPTION_BROKER,
     .traits = ANYWHERE,
     .value = "URL",
     .offset = AT(broker),
     .fallback = "embedded",
     .help = "The MQTT broker: embedded (a private mosquitto), mqtt://HOST[:PORT], "
             "mqtts://HOST[:PORT] or unix:PATH."},
    {.name = "mqtt_listen",
     .type = OPTION_ENDPOINT,
     .traits = ANYWHERE,
     .value = "ADDR:PORT",
     .offset = AT(mqtt_listen),
     .fallback = "127.0.0.1:1883",
     .help = "Where devices reach the embedded broker; port 0 is any free one."},
    {.name = "data",
     .type = OPTION_PATH,
     .traits = ANYWHERE,
     .value = "DIR",
     .offset = AT(data),
     .computed = "/var/lib/sigbridge for root, else $XDG_STATE_HOME/sigbridge or "
                 "~/.local/state/sigbridge",
     .example = "\"/var/lib/sigbridge\"",
     .help = "The database and the embedded broker's files. One running bridge per directory."},
    {.name = "bridge_id",
     .type = OPTION_TEXT,
     .traits = ANYWHERE,
     .value = "NAME",
     .offset = AT(bridge_id),
     .computed = "made once and kept in the data directory",
     .example = "\"bridge-1\"",
     .check = value_is_name,
     .help = "This bridge's name among all on the same broker: up to 64 of A-Z a-z 0-9 . _ ~ -. It "
             "must stay the same over restarts."},
    {.name = "prefix",
     .type = OPTION_TEXT,
     .traits = ANYWHERE,
     .value = "TOPIC",
     .offset = AT(prefix),
     .fallback = "sigbridge/v1",
     .check = value_is_prefix,
     .help = "What all topics begin with, up to 100 bytes."},
    {.name = "web",
     .type = OPTION_PATH,
     .traits = ANYWHERE | OPTION_OR_NONE,
     .value = "DIR|none",
     .offset = AT(web),
     .computed = "web beside the program, else ../share/sigbridge/web from there, else none",
     .example = "\"/usr/share/sigbridge/web\"",
     .help = "The pages to serve at /, or none."},
    {.name = "log_level",
     .type = OPTION_WORD,
     .traits = ANYWHERE,
     .value = "L",
     .offset = AT(log_level),
     .fallback = "info",
     .words = log_levels,
     .help = "Least level to log."},
    {.name = "log_format",
     .type = OPTION_WORD,
     .traits = ANYWHERE,
     .value = "F",
     .offset = AT(log_json),
     .fallback = "text",
     .words = log_formats,
     .help = "How log lines look."},
    {.name = "check_config",
     .type = OPTION_ASK,
     .traits = OPTION_IN_FLAGS,
     .offset = AT(ask.check_config),
     .help =
         "Print what would be in force, without secrets and in the file's own syntax, and end."},
    {.name = "version",
     .type = OPTION_ASK,
     .traits = OPTION_IN_FLAGS,
     .offset = AT(ask.version),
     .help = "Print the version and end."},
    {.name = "help",
     .type = OPTION_ASK,
     .traits = OPTION_IN_FLAGS,
     .letter = 'h',
     .offset = AT(ask.help),
     .help = "Print this text and end."},
    {.name = "presence.scope",
     .type = OPTION_WORD,
     .traits = QUIETLY,
     .offset = AT(presence.rooms_only),
     .fallback = "all",
     .words = presence_scopes,
     .help = "Which rooms to watch: all of them, or only the rooms of this bridge's sessions (for "
             "large installations)."},
    {.name = "presence.expiry",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(presence.expiry_s),
     .fallback = "600",
     .min = 30,
     .max = 86400,
     .unit = "seconds",
     .help = "When the broker drops presence that no process renews any more."},
    {.name = "limits.message",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.message_bytes),
     .fallback = "262144",
     .min = 16384,
     .max = 1048576,
     .unit = "bytes",
     .help = "The largest WebSocket message."},
    {.name = "limits.send_queue_messages",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.send_queue_messages),
     .fallback = "256",
     .min = 8,
     .max = 65536,
     .unit = "",
     .help = "Messages that may wait for one slow session before it is cut off."},
    {.name = "limits.send_queue_bytes",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.send_queue_bytes),
     .fallback = "1048576",
     .min = 65536,
     .max = 67108864,
     .unit = "bytes",
     .help = "The same in bytes; not less than limits.message."},
    {.name = "limits.join_timeout",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.join_timeout_s),
     .fallback = "10",
     .min = 1,
     .max = 300,
     .unit = "seconds",
     .help = "How long a socket may stay without joining a room."},
    {.name = "limits.sessions",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.sessions),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .unit = "",
     .help = "WebSocket connections at the same time."},
    {.name = "limits.room_peers",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.room_peers),
     .fallback = "1000",
     .min = 2,
     .max = 1000000,
     .unit = "",
     .help = "Peers in one room, devices counted."},
    {.name = "limits.outage_bytes",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.outage_bytes),
     .fallback = "8388608",
     .min = 0,
     .max = 1073741824,
     .unit = "bytes",
     .help = "What may wait, over all sessions, while the broker is away."},
    {.name = "limits.outage_age",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.outage_age_s),
     .fallback = "30",
     .min = 1,
     .max = 3600,
     .unit = "seconds",
     .help = "How old it may get before its sender is told that it was dropped."},
    {.name = "limits.store_queue",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(limits.store_queue),
     .fallback = "65536",
     .min = 64,
     .max = 1048576,
     .unit = "",
     .help = "Records that may wait for the database; past it they are counted and lost."},
    {.name = "ping.interval",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(ping.interval_s),
     .fallback = "25",
     .min = 1,
     .max = 3600,
     .unit = "seconds",
     .help = "How often an idle WebSocket is pinged."},
    {.name = "ping.timeout",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(ping.timeout_s),
     .fallback = "10",
     .min = 1,
     .max = 300,
     .unit = "seconds",
     .help = "How long it may stay silent after that."},
    {.name = "mqtt.username",
     .type = OPTION_TEXT,
     .traits = QUIETLY,
     .offset = AT(mqtt.username),
     .example = "\"bridge\"",
     .check = value_is_plain,
     .help = "User name at an external broker."},
    {.name = "mqtt.password_file",
     .type = OPTION_PATH,
     .traits = QUIETLY,
     .offset = AT(mqtt.password_file),
     .example = "\"/etc/sigbridge/mqtt-password\"",
     .help = "A file with that user's password and nothing else."},
    {.name = "mqtt.ca",
     .type = OPTION_PATH,
     .traits = QUIETLY,
     .offset = AT(mqtt.ca),
     .computed = "the system's",
     .example = "\"/etc/sigbridge/broker-ca.pem\"",
     .help = "Certificates (PEM) that may vouch for an mqtts broker."},
    {.name = "mqtt.cert",
     .type = OPTION_PATH,
     .traits = QUIETLY,
     .offset = AT(mqtt.cert),
     .example = "\"/etc/sigbridge/bridge.pem\"",
     .help = "Our certificate (PEM) for an mqtts broker that asks for one; goes with mqtt.key."},
    {.name = "mqtt.key",
     .type = OPTION_PATH,
     .traits = QUIETLY,
     .offset = AT(mqtt.key),
     .example = "\"/etc/sigbridge/bridge.key\"",
     .help = "Its private key (PEM), without a passphrase."},
    {.name = "mqtt.keepalive",
     .type = OPTION_NUMBER,
     .traits = QUIETLY,
     .offset = AT(mqtt.keepalive_s),
     .fallback = "10",
     .min = 5,
     .max = 3600,
     .unit = "seconds",
     .help = "MQTT keepalive; a frozen broker is noticed after twice that."},
    {.name = "ice_servers",
     .type = OPTION_LIST,
     .traits = OPTION_IN_FILE,
     .offset = AT(ice_servers),
     .max = 16,
     .members = &ice_server_table,
     .check_item = check_ice_server,
     .help = "STUN and TURN servers, handed to every browser that joins and every device that "
             "asks."},
};

const struct option_table options = {rows, ROWS(rows), sizeof(struct config)};

_Static_assert(ROWS(rows) <= CONFIG_OPTIONS_MAX, "raise CONFIG_OPTIONS_MAX");
_Static_assert(sizeof(((struct config *)0)->ice_servers) == sizeof(struct option_items) &&
                   offsetof(struct option_items, count) ==
                       AT(ice_servers.count) - AT(ice_servers.items),
               "a list in struct config is an items pointer and a count");

const char *option_env(const struct option *o, char out[OPTION_NAME_MAX])
{
    snprintf(out, OPTION_NAME_MAX, "SIGBRIDGE_%s", o->name);
    for (char *p = out; *p; p++) {
        if (*p == '.')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
    return out;
}

const char *option_flag(const struct option *o, char out[OPTION_NAME_MAX])
{
    snprintf(out, OPTION_NAME_MAX, "%s", o->name);
    for (char *p = out; *p; p++)
        if (*p == '_' || *p == '.')
            *p = '-';
    return out;
}

const char *option_key(const struct option *o)
{
    const char *dot = strrchr(o->name, '.');
    return dot ? dot + 1 : o->name;
}

const struct option *option_by_name(const struct option_table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->options[i].name, name) == 0)
            return &t->options[i];
    return NULL;
}

static const struct option *find(const char *wanted,
                                 const char *(*derive)(const struct option *, char *))
{
    char name[OPTION_NAME_MAX];
    for (size_t i = 0; i < options.count; i++)
        if (strcmp(derive(&options.options[i], name), wanted) == 0)
            return &options.options[i];
    return NULL;
}

const struct option *option_by_env(const char *env)
{
    return find(env, option_env);
}

const struct option *option_by_flag(const char *flag)
{
    return find(flag, option_flag);
}
