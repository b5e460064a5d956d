/* The bridge's configuration: a file, SIGBRIDGE_* variables and flags become one checked struct.
 * Flags win over variables, variables over the file, the file over the defaults. What can be set,
 * its default and its range stand in one table, options.c; all else reads that.
 *
 *     struct config_input in = {.argc = n, .argv = flags, .envp = environ};
 *     struct complaints wrong;
 *     complaints_init(&wrong);
 *     struct config *c = config_load(&in, &wrong);
 *     if (!c) fputs(complaints_text(&wrong), stderr);
 *     complaints_release(&wrong);
 *     ...
 *     config_free(c);
 *
 * Everything in the struct but `input` is owned by it and does not change after config_load(), but
 * by config_take() (change.h). Relative paths
 * were made absolute: those of the file from the file's directory, the others from the working
 * directory. Secrets (mqtt.password, the ICE servers' credentials and secrets) are wiped by
 * config_free() and are never part of a complaint or of what config_show_effective() prints.
 *
 * Threads: plain data; loading reads the environment and files, so do it before there are any. */
#ifndef SIGBRIDGE_CONFIG_CONFIG_H
#define SIGBRIDGE_CONFIG_CONFIG_H

#include "base/log.h"
#include "config/complaint.h"
#include "config/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_OPTIONS_MAX = 96 };

enum config_from { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

struct config_origin {
    enum config_from from;
    unsigned line; /* CONFIG_FILE: 1-based */
};

struct strings {
    char **items;
    size_t count;
};

/* One RTCIceServer as it is handed to browsers. */
struct ice_server {
    struct strings urls; /* at least one */
    char *username;      /* NULL: none */
    char *credential;    /* NULL: none. Secret. From credential_file when that is set. */
    char *credential_file;
    /* What the TURN server and we share, for credentials that end (coturn: use-auth-secret). NULL:
     * none. The first is a path; the second what it holds, a secret. */
    char *secret_file;
    char *secret;
    uint32_t ttl_s; /* how long such a credential is good for */
};

/* What a room's ICE candidates may be. A list that is empty lets all pass. */
struct ice_rule {
    char *rooms;               /* a room's name, or how names begin and a star; "*": all */
    struct strings types;      /* host srflx prflx relay */
    struct strings transports; /* udp tcp */
    struct strings addresses;  /* public private loopback link-local mdns name */
    struct strings networks;   /* ADDR/BITS that pass whatever their class; see proto/network.h */
    bool relay_only;           /* short for types = ["relay"] */
    bool sealed;               /* let end-to-end sealed messages pass, which nobody can look into */
};

/* Where HTTP and WebSocket are offered. */
struct listen {
    struct endpoint at;
    bool tls;
    bool scheme; /* as written it said http:// or https:// */
};

/* A key that may sign tokens. */
struct jwt_key {
    char *alg;  /* HS256 RS256 ES256 EdDSA */
    char *kid;  /* NULL: none */
    char *file; /* absolute; whether it can be read is not known here */
};

struct config_input {
    int argc;                /* flags only: neither the program's name nor a subcommand */
    const char *const *argv; /* argc of them */
    char *const *envp;       /* NAME=VALUE strings, NULL-terminated; NULL: none */
    const char *lookup;      /* NULL, or a directory that replaces the executable's, for tests */
    bool aside; /* for a command beside the bridge: what only a running one needs is not asked for,
                   no secret is read */
};

struct config {
    struct {
        bool help, version, check_config;
        char *config; /* the file that was read, or NULL */
    } ask;

    bool dev;         /* development mode: nobody needs a token; loopback only, unless... */
    bool dev_exposed; /* ...this is set, too */

    struct {
        struct listen *items;
        size_t count;   /* at least one */
    } listen;           /* HTTP and WebSocket */
    bool listen_shared; /* other bridges may listen at the same addresses; never when embedded */

    struct {
        struct jwt_key *items;
        size_t count; /* none only with dev */
    } jwt_keys;
    struct {
        char *issuer, *audience; /* what tokens must say; NULL: not looked at */
    } jwt;

    struct {
        char *cert, *key; /* PEM files; both, or NULL. There when a listener has TLS */
    } tls;
    struct strings origins;         /* "https://app.example.org" or "*"; none: the Host's own */
    struct strings trusted_proxies; /* ADDR or ADDR/BITS; see proto/network.h */

    struct broker broker;        /* a unix path is absolute here */
    struct endpoint mqtt_listen; /* the embedded broker's listener for devices */
    char *data;                  /* directory; not created yet: see data_dir.h */
    char *bridge_id;             /* NULL: the one that is kept in the data directory */
    char *prefix;                /* of all topics */
    char *web;                   /* directory; NULL: serve no pages */
    uint32_t log_level;          /* enum log_level */
    uint32_t log_json;           /* 0 text, 1 JSON */

    struct {
        uint32_t rooms_only;      /* 0: watch all rooms, 1: only those of our sessions */
        uint32_t expiry_s;        /* message expiry of the presence we hold */
        uint32_t resume_window_s; /* 0: a session ends with its socket */
    } presence;

    struct {
        uint32_t message_bytes; /* one WebSocket message after reassembly */
        uint32_t send_queue_messages;
        uint32_t send_queue_bytes;
        uint32_t replay_messages; /* of one session, until it is known to have them */
        uint32_t replay_bytes;
        uint32_t join_timeout_s;
        uint32_t sessions;
        uint32_t room_peers;
        uint32_t outage_bytes; /* all sessions together, while the broker is away */
        uint32_t outage_age_s;
        uint32_t store_queue;      /* records that wait for the database */
        uint32_t drain_s;          /* at SIGTERM, for sessions to be taken over */
        uint32_t address_sessions; /* connections of one address; IPv6: of one /64 */
        uint32_t rooms;            /* that have members */
        uint32_t messages_per_second, messages_burst; /* of one session */
        uint32_t bytes_per_second, bytes_burst;       /* of one session */
        uint32_t auth_failures;                       /* of one address, before it has to wait */
    } limits;

    struct {
        uint32_t keep_days; /* memberships that have ended; 0: for ever */
    } history;

    struct {
        uint32_t interval_s;
        uint32_t timeout_s;
    } ping;

    struct {
        char *username; /* NULL: none */
        char *password_file;
        char *password; /* secret: what the file holds, without its last line end; NULL: none */
        char *ca;
        char *cert;
        char *key;
        uint32_t keepalive_s;
    } mqtt;

    struct {
        struct ice_server *items;
        size_t count;
    } ice_servers;

    struct {
        struct ice_rule *items;
        size_t count;
    } ice_policies; /* the first whose `rooms` fits counts */

    struct strings warnings; /* sentences: what is doubtful, and no reason not to start */

    struct config_origin origin[CONFIG_OPTIONS_MAX]; /* by the option's place in the table */
    struct config_input input;                       /* what it was loaded with; the caller's */
};

/* The checked configuration, or NULL with at least one complaint. When ask.help or ask.version is
 * set, nothing but the flags was looked at. */
struct config *config_load(const struct config_input *in, struct complaints *wrong);
/* The same flags and variables, which must still be there, and the file as it is now. */
struct config *config_load_again(const struct config *c, struct complaints *wrong);
void config_free(struct config *c); /* NULL is fine */

/* What no single option can tell: the rules about several of them. */
void config_check(const struct config *c, struct complaints *wrong);

#endif
