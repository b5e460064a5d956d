#include "config/option.h"

#include "config/forms.h"
#include "config/value.h"
#include "config/web_origin.h"
#include "proto/network.h"

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
     .traits = OPTION_IN_FILE | OPTION_OTHERWISE,
     .offset = ICE(username),
     .check = value_is_plain,
     .example = "\"sigbridge\"",
     .help = "For turn: and turns:, with a credential."},
    {.name = "credential",
     .type = OPTION_TEXT,
     .traits = OPTION_IN_FILE | OPTION_SECRET,
     .offset = ICE(credential),
     .check = value_is_plain,
     .example = "\"...\"",
     .help = "For turn: and turns:. Every browser that joins gets to see it."},
    {.name = "credential_file",
     .type = OPTION_PATH,
     .traits = OPTION_IN_FILE | OPTION_OTHERWISE,
     .offset = ICE(credential_file),
     .example = "\"/etc/sigbridge/turn-credential\"",
     .help = "The same, in a file of its own."},
    {.name = "secret_file",
     .type = OPTION_PATH,
     .traits = OPTION_IN_FILE,
     .offset = ICE(secret_file),
     .example = "\"/etc/sigbridge/turn-secret\"",
     .help = "A file with the secret shared with the TURN server (coturn's static-auth-secret): "
             "each session then gets a user name and a credential of its own, which end."},
    {.name = "ttl",
     .type = OPTION_NUMBER,
     .traits = OPTION_IN_FILE,
     .offset = ICE(ttl_s),
     .fallback = "3600",
     .example = "3600",
     .min = 60,
     .max = 86400,
     .unit = "seconds",
     .help = "How long such a credential is good for."},
};
static const struct option_table ice_server_table = {ice_server_members, ROWS(ice_server_members),
                                                     sizeof(struct ice_server)};

static bool check_ice_server(const void *item, const char **why)
{
    const struct ice_server *s = item;
    bool fixed = s->credential || s->credential_file;
    if (s->credential && s->credential_file) {
        *why = "has both a credential and a credential_file: keep one";
        return false;
    }
    if (s->secret_file && (s->username || fixed)) {
        *why = "has a secret_file, from which username and credential are made: remove those";
        return false;
    }
    for (size_t i = 0; i < s->urls.count; i++) {
        if (ice_url_is_turn(s->urls.items[i]) && !s->secret_file && (!s->username || !fixed)) {
            *why = "has a turn URL, so it needs a username and a credential (or credential_file), "
                   "or a secret_file";
            return false;
        }
    }
    return true;
}

#define POLICY(m) offsetof(struct ice_rule, m)
static const struct option ice_policy_members[] = {
    {.name = "rooms",
     .type = OPTION_TEXT,
     .traits = OPTION_IN_FILE | OPTION_REQUIRED,
     .offset = POLICY(rooms),
     .check = room_pattern_ok,
     .example = "\"yard-*\"",
     .help = "A room's name, or how names begin and a star; * alone is every room."},
    {.name = "types",
     .type = OPTION_STRINGS,
     .traits = OPTION_IN_FILE,
     .offset = POLICY(types),
     .max = 4,
     .check = ice_type_ok,
     .example = "[\"srflx\", \"prflx\", \"relay\"]",
     .help = "Candidate types that may pass: host, srflx, prflx, relay. Absent: all."},
    {.name = "relay_only",
     .type = OPTION_SWITCH,
     .traits = OPTION_IN_FILE | OPTION_OTHERWISE,
     .offset = POLICY(relay_only),
     .fallback = "false",
     .example = "true",
     .help =
         "Short for types = [\"relay\"]: no address of a peer gets out, all goes through TURN."},
    {.name = "transports",
     .type = OPTION_STRINGS,
     .traits = OPTION_IN_FILE,
     .offset = POLICY(transports),
     .max = 2,
     .check = ice_transport_ok,
     .example = "[\"udp\"]",
     .help = "Transports that may pass: udp, tcp. Absent: both."},
    {.name = "addresses",
     .type = OPTION_STRINGS,
     .traits = OPTION_IN_FILE,
     .offset = POLICY(addresses),
     .max = 6,
     .check = ice_address_class_ok,
     .example = "[\"public\", \"mdns\"]",
     .help = "Classes of addresses that may pass: public, private, loopback, link-local, mdns, "
             "name. Absent: all."},
    {.name = "networks",
     .type = OPTION_STRINGS,
     .traits = OPTION_IN_FILE,
     .offset = POLICY(networks),
     .max = 64,
     .check = network_ok,
     .example = "[\"10.20.0.0/16\"]",
     .help = "Networks, ADDR/BITS, whose addresses pass whatever their class is. Without "
             "`addresses`, no others do."},
    {.name = "sealed",
     .type = OPTION_SWITCH,
     .traits = OPTION_IN_FILE,
     .offset = POLICY(sealed),
     .fallback = "false",
     .example = "false",
     .help = "Let messages pass that are sealed end to end, although the policy cannot be applied "
             "to what is in them."},
};
static const struct option_table ice_policy_table = {ice_policy_members, ROWS(ice_policy_members),
                                                     sizeof(struct ice_rule)};

static bool check_ice_policy(const void *item, const char **why)
{
    const struct ice_rule *p = item;
    *why = "has both relay_only and types: keep one";
    return !p->relay_only || p->types.count == 0;
}

static const struct option rows[] = {
    {.name = "config",
     .type = OPTION_PATH,
     .traits = OPTION_IN_ENV | OPTION_IN_FLAGS,
     .letter = 'c',
     .value = "FILE",
     .offset = AT(ask.config),
     .help = "Read this file: every option of this list and more, see `sigbridge help file`."},
    {.name = "dev",
     .type = OPTION_SWITCH,
     .traits = ANYWHERE,
     .offset = AT(dev),
     .fallback = "false",
     .help = "Development mode: nobody needs a token, devices no password. On loopback addresses "
             "only."},
    {.name = "dev_exposed",
     .type = OPTION_SWITCH,
     .traits = ANYWHERE,
     .offset = AT(dev_exposed),
     .fallback = "false",
     .help = "With dev: listen on other addresses, too. Everyone who reaches them may do "
             "everything."},
    {.name = "listen",
     .type = OPTION_ENTRIES,
     .traits = ANYWHERE,
     .value = "ADDR:PORT",
     .offset = AT(listen),
     .fallback = "127.0.0.1:8080",
     .max = 8,
     .form = &form_listen,
     .help = "HTTP and WebSocket: an IPv4 address or [IPv6], and a port; port 0 is any free one. "
             "http:// or https:// before it says whether with TLS; without, there is TLS when "
             "tls_cert is set."},
    {.name = "listen_shared",
     .type = OPTION_SWITCH,
     .traits = ANYWHERE,
     .offset = AT(listen_shared),
     .fallback = "false",
     .help = "Other bridges on this machine may listen at the same addresses, if they say so, too: "
             "the kernel spreads connections over them. For bridges of one user, on one broker."},
    {.name = "tls_cert",
     .type = OPTION_PATH,
     .traits = ANYWHERE | OPTION_RELOAD | OPTION_WHILE_SET,
     .value = "FILE",
     .offset = AT(tls.cert),
     .example = "\"/etc/sigbridge/fullchain.pem\"",
     .help = "The certificate (PEM) for https, with those between it and its root; goes with "
             "tls_key."},
    {.name = "tls_key",
     .type = OPTION_PATH,
     .traits = ANYWHERE | OPTION_RELOAD | OPTION_WHILE_SET,
     .value = "FILE",
     .offset = AT(tls.key),
     .example = "\"/etc/sigbridge/privkey.pem\"",
     .help = "Its private key (PEM), without a passphrase."},
    {.name = "jwt_key",
     .type = OPTION_ENTRIES,
     .traits = ANYWHERE | OPTION_RELOAD | OPTION_WHILE_SET,
     .value = "ALG[@KID]:FILE",
     .offset = AT(jwt_keys),
     .example = "\"HS256:/etc/sigbridge/jwt-secret\"",
     .max = 16,
     .form = &form_jwt_key,
     .help = "A key that browsers' tokens may be signed with, and only with this algorithm: HS256 "
             "(a secret of 32 bytes or more), RS256, ES256 or EdDSA (PEM, or JWKS). KID is the "
             "key's name in the tokens, for when there are several."},
    {.name = "origin",
     .type = OPTION_STRINGS,
     .traits = ANYWHERE | OPTION_RELOAD,
     .value = "ORIGIN",
     .offset = AT(origins),
     .computed = "the bridge's own pages",
     .example = "[\"https://app.example.org\"]",
     .max = 64,
     .check = web_origin_ok,
     .help = "Where pages may come from that connect, as browsers name it "
             "(https://app.example.org); * is anywhere."},
    {.name = "trusted_proxy",
     .type = OPTION_STRINGS,
     .traits = ANYWHERE | OPTION_RELOAD,
     .value = "ADDR[/BITS]",
     .offset = AT(trusted_proxies),
     .computed = "none",
     .example = "[\"127.0.0.1\", \"10.0.0.0/8\"]",
     .max = 64,
     .check = network_ok,
     .help =
         "A reverse proxy, whose X-Forwarded-For and X-Forwarded-Proto are believed: it must put "
         "them in place of what clients send. Each of its connections serves one request."},
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
     .help = "The pages to serve at /, or none. Symbolic links are followed, dot files are not "
             "served."},
    {.name = "log_level",
     .type = OPTION_WORD,
     .traits = ANYWHERE | OPTION_RELOAD,
     .value = "L",
     .offset = AT(log_level),
     .fallback = "info",
     .words = log_levels,
     .help = "Least level to log."},
    {.name = "log_format",
     .type = OPTION_WORD,
     .traits = ANYWHERE | OPTION_RELOAD,
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
    {.name = "presence.resume_window",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD | OPTION_WHILE_SET,
     .offset = AT(presence.resume_window_s),
     .fallback = "30",
     .min = 0,
     .max = 3600,
     .unit = "seconds",
     .help = "How long a session whose socket dropped may come back to its place; 0: not at all."},
    {.name = "history.keep_days",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(history.keep_days),
     .fallback = "90",
     .min = 0,
     .max = 36500,
     .unit = "days",
     .help = "How long memberships that have ended stay in the database; 0: for ever."},
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
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.send_queue_messages),
     .fallback = "4096",
     .min = 8,
     .max = 65536,
     .unit = "",
     .help = "Messages that may wait for one slow session before it is cut off."},
    {.name = "limits.send_queue_bytes",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.send_queue_bytes),
     .fallback = "1048576",
     .min = 65536,
     .max = 67108864,
     .unit = "bytes",
     .help = "The same in bytes; not less than limits.message."},
    {.name = "limits.replay_messages",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.replay_messages),
     .fallback = "256",
     .min = 16,
     .max = 65536,
     .unit = "",
     .help = "Messages kept for a session until it is known to have them."},
    {.name = "limits.replay_bytes",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.replay_bytes),
     .fallback = "1048576",
     .min = 65536,
     .max = 67108864,
     .unit = "bytes",
     .help = "The same in bytes; past one of the two the session cannot come back."},
    {.name = "limits.join_timeout",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
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
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.room_peers),
     .fallback = "1000",
     .min = 2,
     .max = 1000000,
     .unit = "",
     .help = "Peers in one room, devices counted."},
    {.name = "limits.outage_bytes",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.outage_bytes),
     .fallback = "8388608",
     .min = 0,
     .max = 1073741824,
     .unit = "bytes",
     .help = "What may wait, over all sessions, while the broker is away."},
    {.name = "limits.outage_age",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
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
    {.name = "limits.drain",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.drain_s),
     .fallback = "10",
     .min = 1,
     .max = 600,
     .unit = "seconds",
     .help = "How long the bridge waits at SIGTERM for its sessions to be taken over by other "
             "bridges."},
    {.name = "limits.address_sessions",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.address_sessions),
     .fallback = "256",
     .min = 1,
     .max = 1000000,
     .unit = "",
     .help = "WebSocket connections of one address, of one /64 with IPv6."},
    {.name = "limits.rooms",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.rooms),
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .unit = "",
     .help = "Rooms that have members."},
    {.name = "limits.messages_per_second",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.messages_per_second),
     .fallback = "100",
     .min = 1,
     .max = 100000,
     .unit = "",
     .help = "Messages of one session, in the long run."},
    {.name = "limits.messages_burst",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.messages_burst),
     .fallback = "400",
     .min = 1,
     .max = 1000000,
     .unit = "",
     .help = "How many may come at once; not less than limits.messages_per_second."},
    {.name = "limits.bytes_per_second",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.bytes_per_second),
     .fallback = "262144",
     .min = 1024,
     .max = 1073741824,
     .unit = "bytes",
     .help = "Bytes of one session's messages, in the long run."},
    {.name = "limits.bytes_burst",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.bytes_burst),
     .fallback = "524288",
     .min = 16384,
     .max = 1073741824,
     .unit = "bytes",
     .help = "How many may come at once; not less than limits.bytes_per_second and limits.message, "
             "and better less than limits.send_queue_bytes: all may go to one receiver."},
    {.name = "limits.auth_failures",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(limits.auth_failures),
     .fallback = "10",
     .min = 1,
     .max = 1000000,
     .unit = "",
     .help = "Tokens of one address that may fail before it has to wait, and longer each time."},
    {.name = "ping.interval",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(ping.interval_s),
     .fallback = "25",
     .min = 1,
     .max = 3600,
     .unit = "seconds",
     .help = "How often an idle WebSocket is pinged."},
    {.name = "ping.timeout",
     .type = OPTION_NUMBER,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(ping.timeout_s),
     .fallback = "10",
     .min = 1,
     .max = 300,
     .unit = "seconds",
     .help = "How long it may stay silent after that."},
    {.name = "jwt.issuer",
     .type = OPTION_TEXT,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(jwt.issuer),
     .computed = "not looked at",
     .example = "\"https://login.example.org\"",
     .check = value_is_plain,
     .help = "What a token's `iss` must say."},
    {.name = "jwt.audience",
     .type = OPTION_TEXT,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(jwt.audience),
     .computed = "not looked at",
     .example = "\"sigbridge\"",
     .check = value_is_plain,
     .help = "What a token's `aud` must say, or hold."},
    {.name = "mqtt.username",
     .type = OPTION_TEXT,
     .traits = QUIETLY | OPTION_RELOAD,
     .offset = AT(mqtt.username),
     .example = "\"bridge\"",
     .check = value_is_plain,
     .help = "User name at an external broker."},
    {.name = "mqtt.password_file",
     .type = OPTION_PATH,
     .traits = QUIETLY | OPTION_RELOAD,
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
     .traits = OPTION_IN_FILE | OPTION_RELOAD,
     .offset = AT(ice_servers),
     .max = 16,
     .members = &ice_server_table,
     .check_item = check_ice_server,
     .help = "STUN and TURN servers, handed to every browser that joins and every device that "
             "asks."},
    {.name = "ice_policies",
     .type = OPTION_LIST,
     .traits = OPTION_IN_FILE | OPTION_RELOAD,
     .offset = AT(ice_policies),
     .max = 64,
     .members = &ice_policy_table,
     .check_item = check_ice_policy,
     .help = "Which ICE candidates may pass, by room: the first whose rooms fit counts; where none "
             "does, all pass."},
};

const struct option_table options = {rows, ROWS(rows), sizeof(struct config)};

_Static_assert(ROWS(rows) <= CONFIG_OPTIONS_MAX, "raise CONFIG_OPTIONS_MAX");
#define IS_ITEMS(m)                                                                                \
    _Static_assert(sizeof(((struct config *)0)->m) == sizeof(struct option_items) &&               \
                       offsetof(struct option_items, count) == AT(m.count) - AT(m.items),          \
                   "a list in struct config is an items pointer and a count")
IS_ITEMS(listen);
IS_ITEMS(jwt_keys);
IS_ITEMS(ice_servers);
IS_ITEMS(ice_policies);

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

bool option_is_many(const struct option *o)
{
    return o->type == OPTION_STRINGS || o->type == OPTION_ENTRIES;
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
