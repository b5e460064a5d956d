#include "room.h"

#include <errno.h>
#include <glib-unix.h>
#include <sigdev/mosquitto.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "viewers.h"

enum {
    PASSWORD_MAX = 1024,
    META_MAX = 1024,
    LEAVE_MS = 1000,
    ICE_REFRESH_S = 600, /* logins of TURN servers expire */
    ICE_AGAIN_S = 2,     /* nobody was there to ask; then twice that, and so on */
    WHY_MAX = 256,
};

struct room {
    const struct options *options;
    struct sigdev *dev;
    struct viewers *viewers;
    struct ice ice;
    guint watch, ice_timer;
    unsigned ice_wait; /* [s]; 0: the last question was taken */
    bool was_ready;
    bool leaving;
    void (*on_left)(void *user);
    void *left_user;
};

/* ---- to the viewer ---- */

static void check_sent(const char *what, const char *peer, enum sigdev_error e)
{
    if (e != SIGDEV_OK)
        log_line(LOG_WARN, "not-sent", LOG_S("message", what), LOG_S("viewer", peer),
                 LOG_S("text", sigdev_error_text(e)), LOG_END);
}

static void send_description(void *user, const char *peer, const char *call, bool offer,
                             const char *sdp)
{
    struct room *room = user;
    check_sent(offer ? "offer" : "answer", peer,
               offer ? sigdev_send_offer(room->dev, peer, call, sdp)
                     : sigdev_send_answer(room->dev, peer, call, sdp));
}

static void send_candidate(void *user, const char *peer, const char *call,
                           const struct session_candidate *candidate)
{
    struct room *room = user;
    struct sigdev_candidate c = {
        .candidate = sigdev_str(candidate->line),
        .mid = sigdev_str(candidate->mid[0] ? candidate->mid : NULL),
        .has_mline = true,
        .mline = (uint16_t)candidate->mline,
        .ufrag = sigdev_str(candidate->ufrag),
    };
    check_sent("candidate", peer,
               sigdev_send_candidate(room->dev, peer, call, candidate->line ? &c : NULL));
}

static void send_bye(void *user, const char *peer, const char *call, const char *reason)
{
    struct room *room = user;
    check_sent("bye", peer, sigdev_send_bye(room->dev, peer, call, reason));
}

/* ---- from the viewer ---- */

static struct text text_from(struct sigdev_text t)
{
    return t.p ? text_of(t.p, t.len) : text_of("", 0);
}

static void on_offer(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                     void *user)
{
    struct room *room = user;
    (void)dev;
    if (!room->leaving)
        viewers_offer(room->viewers, from, m->call.p, text_from(m->sdp));
}

static void on_answer(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user)
{
    struct room *room = user;
    (void)dev;
    if (!room->leaving)
        viewers_answer(room->viewers, from, m->call.p, text_from(m->sdp));
}

static void on_candidate(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                         void *user)
{
    struct room *room = user;
    const struct sigdev_candidate *c = &m->candidate;
    const char *line = c->candidate.p;
    (void)dev;
    if (room->leaving)
        return;
    if (line && strncmp(line, "a=", 2) == 0)
        line += 2;
    viewers_candidate(room->viewers, from, m->call.p,
                      &(struct session_candidate){.line = c->end ? NULL : line,
                                                  .mid = c->mid.p ? c->mid.p : "",
                                                  .mline = c->has_mline ? c->mline : -1,
                                                  .ufrag = c->ufrag.p ? c->ufrag.p : ""});
}

static void on_bye(struct sigdev *dev, const char *from, const struct sigdev_message *m, void *user)
{
    struct room *room = user;
    (void)dev;
    if (!room->leaving)
        viewers_bye(room->viewers, from, m->call.p);
}

static void on_invite(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                      void *user)
{
    struct room *room = user;
    const bool send[KIND_COUNT] = {
        [KIND_VIDEO] = m->media.video != SIGDEV_WANT_NO,
        [KIND_AUDIO] = m->media.audio != SIGDEV_WANT_NO,
    };
    (void)dev;
    if (!room->leaving)
        viewers_invite(room->viewers, from, m->call.p, send);
}

static gboolean on_ice_timer(gpointer user);

static void plan_ice(struct room *room, unsigned seconds)
{
    if (room->ice_timer)
        g_source_remove(room->ice_timer);
    room->ice_timer = g_timeout_add_seconds(seconds, on_ice_timer, room);
}

/* No bridge is there, perhaps not yet: after a restart of the broker we may be back before it.
 * Meanwhile there are the servers that we know. */
static void ask_again(struct room *room)
{
    unsigned wait = room->ice_wait ? 2 * room->ice_wait : ICE_AGAIN_S;
    room->ice_wait = wait < ICE_REFRESH_S ? wait : ICE_REFRESH_S;
    plan_ice(room, room->ice_wait);
}

static void on_undelivered(struct sigdev *dev, const struct sigdev_failure *failure, void *user)
{
    struct room *room = user;
    (void)dev;
    if (failure->type == SIGDEV_ICE_SERVERS) {
        ask_again(room);
        return;
    }
    check_sent(sigdev_type_text(failure->type), failure->to, failure->error);
    if (failure->error == SIGDEV_ERR_NO_PEER && failure->to && !room->leaving)
        viewers_unreachable(room->viewers, failure->to);
}

static void on_error(struct sigdev *dev, const struct sigdev_message *m, void *user)
{
    struct room *room = user;
    (void)dev;
    log_line(LOG_WARN, "refused-by-bridge", LOG_S("error", m->error.word.p),
             LOG_S("text", m->error.text.p), LOG_S("to", m->error.to.p), LOG_END);
    if (m->error.code == 404 && m->error.to.p && !room->leaving)
        viewers_unreachable(room->viewers, m->error.to.p);
}

static void on_refused(struct sigdev *dev, const char *from, enum sigdev_error error,
                       const char *why, void *user)
{
    (void)dev;
    (void)user;
    log_line(LOG_WARN, "message-refused", LOG_S("from", from),
             LOG_S("error", sigdev_error_text(error)), LOG_S("text", why), LOG_END);
}

/* ---- ICE servers ---- */

static void ice_from_options(struct room *room)
{
    ice_clear(&room->ice);
    for (unsigned i = 0; i < room->options->stun_count; i++)
        ice_add_option(&room->ice, room->options->stun[i]);
    for (unsigned i = 0; i < room->options->turn_count; i++)
        ice_add_option(&room->ice, room->options->turn[i]);
}

static void on_ice_servers(struct sigdev *dev, const struct sigdev_message *m, void *user)
{
    struct room *room = user;
    struct sigdev_ice_walk walk = {.servers = m->ice_servers};
    struct sigdev_ice_server server;
    (void)dev;
    room->ice_wait = 0;
    ice_from_options(room);
    while (sigdev_next_ice_server(&walk, &server) == SIGDEV_OK)
        ice_add(&room->ice, server.url.p, server.username.p, server.credential.p);
    log_line(LOG_INFO, "ice-servers", LOG_I("stun", room->ice.stun ? 1 : 0),
             LOG_I("turn", room->ice.turn_count), LOG_END);
}

static gboolean on_ice_timer(gpointer user)
{
    struct room *room = user;
    room->ice_timer = 0;
    plan_ice(room, ICE_REFRESH_S);
    if (sigdev_get_state(room->dev) == SIGDEV_STATE_ONLINE)
        sigdev_ask_ice_servers(room->dev, NULL);
    return G_SOURCE_REMOVE;
}

/* ---- the connection ---- */

static void left(struct room *room)
{
    void (*on_left)(void *) = room->on_left;
    room->on_left = NULL;
    if (on_left)
        on_left(room->left_user);
}

static void say_ready(struct room *room)
{
    char source[512];
    options_source_name(room->options, source, sizeof source);
    log_line(LOG_INFO, "ready", LOG_S("room", room->options->room),
             LOG_S("name", room->options->name), LOG_S("source", source), LOG_END);
    room->was_ready = true;
}

static void on_state(struct sigdev *dev, const struct sigdev_status *status, void *user)
{
    struct room *room = user;
    switch (status->state) {
    case SIGDEV_STATE_ONLINE:
        if (room->was_ready)
            log_line(LOG_INFO, "broker-back", LOG_I("away_ms", status->away_ms), LOG_END);
        else
            say_ready(room);
        if (status->text[0])
            log_line(LOG_WARN, "broker-rights", LOG_S("text", status->text), LOG_END);
        room->ice_wait = 0;
        sigdev_ask_ice_servers(dev, NULL); /* nobody answers where there is no bridge */
        break;
    case SIGDEV_STATE_WAITING:
        log_line(LOG_WARN, "broker-away",
                 LOG_S("broker",
                       room->options->unix_path ? room->options->unix_path : room->options->host),
                 LOG_S("text", status->text), LOG_I("retry_ms", status->retry_ms), LOG_END);
        break;
    case SIGDEV_STATE_STOPPED:
        if (room->leaving)
            left(room);
        break;
    case SIGDEV_STATE_CONNECTING:
    case SIGDEV_STATE_LEAVING:
        break;
    }
}

static void on_contested(struct sigdev *dev, const struct sigdev_presence *p, void *user)
{
    struct room *room = user;
    (void)dev;
    if (p->gone)
        log_line(LOG_WARN, "presence-cleared", LOG_S("name", room->options->name),
                 LOG_S("text", "somebody took our presence away: it is there again"), LOG_END);
    else
        log_line(
            LOG_WARN, "name-taken", LOG_S("name", room->options->name), LOG_S("bridge", p->via.p),
            LOG_S("text", "another device has our name: give each a name of its own"), LOG_END);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    struct room *room = user;
    (void)fd;
    (void)condition;
    sigdev_service(room->dev);
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static void meta_text(const struct options *o, struct buf *out)
{
    buf_str(out, "{\"name\":\"");
    buf_str(out, o->name); /* a peer name needs no escaping */
    buf_str(out, "\",\"model\":\"sigbridge-camera\",\"streams\":[{\"kind\":\"video\","
                 "\"codecs\":[\"VP8\",\"H264\"],\"width\":");
    buf_uint(out, o->width);
    buf_str(out, ",\"height\":");
    buf_uint(out, o->height);
    buf_str(out, ",\"fps\":");
    buf_uint(out, o->fps);
    buf_str(out, o->audio ? "},{\"kind\":\"audio\",\"codecs\":[\"opus\"]}]}" : "}]}");
    buf_char(out, '\0');
}

/* The first line of the file, in out[PASSWORD_MAX]. */
static bool read_password(const char *path, char *out, char **why)
{
    char *all = NULL;
    gsize len = 0;
    GError *error = NULL;
    if (!g_file_get_contents(path, &all, &len, &error)) {
        *why = g_strdup_printf("--password-file: %s", error->message);
        g_error_free(error);
        return false;
    }
    gsize line = strcspn(all, "\r\n");
    bool fits = line > 0 && line < PASSWORD_MAX;
    if (fits) {
        memcpy(out, all, line);
        out[line] = '\0';
    } else {
        *why = g_strdup_printf("--password-file: the first line of %s must be the password, "
                               "1 to %d bytes",
                               path, PASSWORD_MAX - 1);
    }
    memset(all, 0, len);
    g_free(all);
    return fits;
}

/* The library's complaint about a field ("ca_file: cannot be read") as one about our option. */
static char *about_option(const char *text)
{
    static const struct {
        const char *field, *option;
    } names[] = {
        {"prefix", "--prefix"},       {"host", "--broker"},
        {"unix_path", "--broker"},    {"ca_file", "--ca-file"},
        {"cert_file", "--cert-file"}, {"key_file", "--key-file"},
        {"user", "--user"},           {"password", "--password-file"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].field);
        if (strncmp(text, names[i].field, len) == 0 && text[len] == ':')
            return g_strdup_printf("%s%s", names[i].option, text + len);
    }
    return g_strdup(text);
}

struct room *room_join(const struct options *options, struct feed *feed, char **why)
{
    static const struct viewers_out out = {send_description, send_candidate, send_bye};
    char password[PASSWORD_MAX] = "", meta[META_MAX], text[WHY_MAX] = "";
    struct buf meta_buf;
    struct room *room = g_new0(struct room, 1);
    room->options = options;
    ice_from_options(room);
    room->viewers = viewers_create(options, feed, &room->ice, &out, room);
    buf_init_fixed(&meta_buf, meta, sizeof meta);
    meta_text(options, &meta_buf);
    if (options->password_file && !read_password(options->password_file, password, why))
        goto failed;
    struct sigdev_config config = {
        .prefix = options->prefix,
        .room = options->room,
        .peer = options->name,
        .unix_path = options->unix_path,
        .host = options->host[0] ? options->host : NULL,
        .port = options->port,
        .user = options->user,
        .password = password[0] ? password : NULL,
        .mqtt = options->mqtt311 ? SIGDEV_MQTT_311 : SIGDEV_MQTT_5,
        .tls = options->tls,
        .ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
        .keepalive_s = options->keepalive,
        .ttl_s = options->ttl,
        .no_ttl = options->ttl == 0,
        .meta = meta,
        .queue_messages = 1024, /* many viewers may come in one moment */
        .queue_bytes = 8 << 20,
        .on = {.offer = on_offer,
               .answer = on_answer,
               .candidate = on_candidate,
               .bye = on_bye,
               .invite = on_invite,
               .error = on_error,
               .ice_servers = on_ice_servers,
               .state = on_state,
               .contested = on_contested,
               .undelivered = on_undelivered,
               .refused = on_refused},
        .user_data = room,
    };
    enum sigdev_error e = sigdev_create(&config, &room->dev, text, sizeof text);
    explicit_bzero(password, sizeof password);
    if (!e)
        e = sigdev_open(room->dev);
    if (e) {
        *why = about_option(text[0] ? text : sigdev_error_text(e));
        goto failed;
    }
    room->watch = g_unix_fd_add(sigdev_fd(room->dev), G_IO_IN, on_readable, room);
    plan_ice(room, ICE_REFRESH_S);
    return room;
failed:
    room_destroy(room);
    return NULL;
}

void room_leave(struct room *room, void (*on_left)(void *user), void *user)
{
    if (room->leaving)
        return;
    room->leaving = true;
    room->on_left = on_left;
    room->left_user = user;
    viewers_destroy(room->viewers);
    room->viewers = NULL;
    if (sigdev_leave(room->dev, LEAVE_MS) != SIGDEV_OK)
        left(room);
}

void room_destroy(struct room *room)
{
    if (!room)
        return;
    viewers_destroy(room->viewers);
    if (room->watch)
        g_source_remove(room->watch);
    if (room->ice_timer)
        g_source_remove(room->ice_timer);
    sigdev_destroy(room->dev);
    ice_clear(&room->ice);
    g_free(room);
}
