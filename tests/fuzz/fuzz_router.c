/* The whole core against a broker, browsers and other bridges that do anything in any order.
 *
 * The input is a byte of options and a list of steps: a code byte, an argument byte, then for some
 * steps a length byte and that many bytes. Sockets, bus and time are simulated; what is published
 * may come back, be refused or be lost; clients lose their sockets, read late, and come back with
 * what they read last. Beside memory errors and leaks it looks for frames that are not JSON, for
 * numbers that do not rise by one, over every `resume`, for a `joined` or a numbered frame to a
 * session that is not joined, for changes of presence that do not follow from what a member knows,
 * for members that know something else than the roster, for frames that are gone although their
 * client may not have read them, for `sent` that does not rise, for counts that do not count,
 * sessions in no list or the wrong one, timers out of order, and for rooms, peers and sessions that
 * nobody needs. */
#include "router_play.h"

#include "core/delivery.h"
#include "core/overview.h"
#include "core/watch.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUBLISHED = 128, SENDERS = 32 };

struct published {
    char topic[TOPIC_MAX];
    char *payload;
    size_t len;
    struct delivery *delivery;
};

struct router router;
struct now now;
bool held;
static struct published published[PUBLISHED];
static size_t published_count;
static bool drain_over;
/* `sent` of the last message of each session, by its own part of the id. */
static struct {
    char own[SESSION_OWN_LEN + 1];
    uint64_t sent;
} senders[SENDERS];
static size_t sender_count;

static size_t find_sender(struct text own)
{
    size_t i = 0;
    while (i < sender_count && !text_equals(own, senders[i].own))
        i++;
    return i;
}

void forget_sent(const char *own)
{
    size_t i = find_sender(text_of_str(own));
    if (i < sender_count)
        senders[i] = senders[--sender_count];
}

static void check_sent(const struct session *s, struct json_span message)
{
    struct json_member m[32];
    size_t count;
    uint64_t sent = 0;
    struct text own = session_own(text_of_str(s->sid));
    require(json_object(message.p, message.len, m, 32, &count, NULL) == STATUS_OK);
    for (size_t k = 0; k < count; k++)
        if (json_equals(m[k].key, "sent"))
            require(json_uint(m[k].value, UINT64_MAX, &sent));
    size_t i = find_sender(own);
    require(i == sender_count || sent > senders[i].sent);
    if (i == SENDERS)
        return;
    if (i == sender_count)
        copy_text(senders[sender_count++].own, sizeof senders->own, own);
    senders[i].sent = sent;
}

/* One message, or those that travel together: as many as there are deliveries. */
static void check_payload(const struct delivery *d, struct text payload)
{
    struct json_span all[BUNDLE_MESSAGES_MAX] = {{.p = payload.p, .len = text_len(&payload)}};
    struct json_member m[2];
    size_t n = 1, deliveries = 0, members;
    bool together = message_apart(payload, all, BUNDLE_MESSAGES_MAX, &n);
    for (size_t i = 0; i < n; i++)
        check_sent(d->session, all[i]);
    for (const struct delivery *with = d; with; with = with->with)
        deliveries++;
    if (!together)
        return;
    require(n == deliveries && n > 1);
    require(json_object(payload.p, text_len(&payload), m, 2, &members, NULL) == STATUS_OK);
    require(members == 2 && m[1].value.type == JSON_ARRAY);
}

static enum status on_publish(void *bus, const struct publication *p)
{
    (void)bus;
    if (published_count == PUBLISHED)
        return STATUS_UNAVAILABLE;
    struct published *out = &published[published_count];
    out->len = text_len(&p->payload);
    out->payload = malloc(out->len + 1);
    require(out->payload && strlen(p->topic) < sizeof out->topic);
    strcpy(out->topic, p->topic);
    memcpy(out->payload, p->payload.p, out->len);
    out->delivery = p->delivery;
    published_count++;
    if (p->delivery && p->delivery->session && !p->retain)
        check_payload(p->delivery, p->payload);
    other_hears(p->topic, text_of(out->payload, out->len));
    return STATUS_OK;
}

static size_t owed(const struct delivery *d)
{
    size_t count = 0;
    for (; d; d = d->with)
        count += d->session != NULL;
    return count;
}

size_t published_owed(void)
{
    size_t count = owed(router.bundle.first);
    for (size_t i = 0; i < published_count; i++)
        count += owed(published[i].delivery);
    return count;
}

static void on_subscribe(void *bus, const char *const *filters, size_t count)
{
    (void)bus;
    for (size_t i = 0; i < count; i++)
        require(filters[i][0] && strlen(filters[i]) < TOPIC_MAX);
}

static void on_unsubscribe(void *bus, const char *filter)
{
    (void)bus;
    require(filter[0] != '\0' && router.bus_up);
}

static void on_hold(void *bus, bool on)
{
    (void)bus;
    require(on != held);
    held = on;
}

static void on_record(void *recorder, const struct record *r)
{
    (void)recorder;
    require(r->what == RECORD_SWEEP || (!text_end(&r->room) && !text_end(&r->peer)));
}

/* The oldest publication comes back to us, or does not, and its PUBACK says what `how` says. */
static void settle(uint8_t how)
{
    if (!published_count)
        return;
    struct published p = published[0];
    memmove(published, published + 1, --published_count * sizeof *published);
    if (how & 1 && router.bus_up)
        router_bus_message(&router, p.topic, text_of(p.payload, p.len), how & 8, text_of_str(""),
                           now);
    if (p.delivery)
        router_published(&router, p.delivery, how & 2 ? STATUS_UNAVAILABLE : STATUS_OK, how & 4,
                         now);
    free(p.payload);
}

static const char *const topics[] = {
    "p/rooms/r/peers/a/presence",
    "p/rooms/r/peers/b/presence",
    "p/rooms/r/peers/a/in/b",
    "p/rooms/r/peers/b/in/a",
    "p/rooms/r/all/a",
    "p/rooms/r/peers/_bridge/in/a",
    "p/bridges/b2/status",
    "p/bridges/b1/in/b1",
    "p/rooms/r/peers/a/in/_bridge",
    "p/bridges/b1/in/b2",
    "p/rooms/r/peers/cam/presence",
    "p/rooms/r/peers/a/in/cam",
    "p/rooms/other/peers/a/presence",
};

static void bus(uint8_t how)
{
    bool up = how & 1;
    if (up && !router.bus_up)
        router_bus_up(&router, how & 2, now);
    else if (!up && router.bus_up)
        router_bus_down(&router, now);
}

static void later(int64_t seconds)
{
    now.mono_us += seconds * 1000000;
    now.wall_ms += seconds * 1000;
    router_tick(&router, now);
}

/* Somebody sets the clock: hours forth and back, at most to 1970. */
static void set_clock(int8_t hours)
{
    now.wall_ms += (int64_t)hours * 3600000;
    if (now.wall_ms < 0)
        now.wall_ms = 0;
}

static void drain(uint8_t how)
{
    if (!router.draining)
        router_drain(&router, "the bridge is going down", how & 1 ? 5000000 : 0, now);
    else if (!drain_over)
        router_drain_end(&router, now);
    drain_over = router.draining && (drain_over || !(how & 1) || router_drained(&router));
}

/* An operator looks, the broker refuses a subscription, the history asks after a room. */
static void look(uint8_t how)
{
    struct json_member m[8];
    struct buf b;
    size_t count;
    struct text room = text_of_str(how & 1 ? "r" : "other");
    buf_init(&b, 1 << 20);
    router_put_metrics(&router, &b);
    require(buf_ok(&b) && b.len > 0);
    buf_clear(&b);
    overview_put_rooms(&router, &b);
    require(json_object(b.data, b.len, m, 8, &count, NULL) == STATUS_OK);
    buf_clear(&b);
    if (overview_put_room(&router, room, &b))
        require(json_object(b.data, b.len, m, 8, &count, NULL) == STATUS_OK);
    buf_release(&b);
    require(!router_ready(&router) || router.bus_up);
    if (how & 2)
        router_refused(&router, "p/rooms/+/all/+", now);
    if (how & 4)
        watch_check(&router, room);
}

static void settle_all(void)
{
    while (published_count)
        settle(5);
    router_flush(&router, now);
    for (size_t i = 0; i < SOCKETS; i++)
        client_read(&sockets[i], QUEUE_MAX);
}

enum {
    STEP_OPEN,
    STEP_SAY,
    STEP_SAY_MANY,
    STEP_SETTLE,
    STEP_PUBLISH,
    STEP_BUS,
    STEP_LATER,
    STEP_FLUSH,
    STEP_SETTLE_ALL,
    STEP_LOSE,
    STEP_READ,
    STEP_PONG,
    STEP_RESUME,
    STEP_OTHER_ANSWERS,
    STEP_OTHER_TAKES,
    STEP_OTHER_MARKS,
    STEP_OTHER_SHOWS,
    STEP_OTHER_STATUS,
    STEP_CLOCK,
    STEP_DRAIN,
    STEP_FULL,
    STEP_LOOK,
    STEPS
};

static void step(unsigned code, uint8_t arg, const char *bytes, size_t len)
{
    struct socket *s = &sockets[arg % SOCKETS];
    switch (code) {
    case STEP_OPEN:
        client_open_or_close(s);
        break;
    case STEP_SAY:
        if (s->session && !s->closing && !said_is(bytes, len))
            router_message(&router, s->session, bytes, len, now);
        break;
    case STEP_SAY_MANY:
        client_says(s, bytes, len);
        break;
    case STEP_SETTLE:
        settle(arg);
        break;
    case STEP_PUBLISH:
        if (router.bus_up && !said_is(bytes, len))
            router_bus_message(&router, topics[arg % 128 % (sizeof topics / sizeof *topics)],
                               text_of(bytes, len), arg & 128, text_of_str(""), now);
        break;
    case STEP_BUS:
        bus(arg);
        break;
    case STEP_LATER:
        later(arg);
        break;
    case STEP_FLUSH:
        router_flush(&router, now);
        break;
    case STEP_SETTLE_ALL:
        settle_all();
        break;
    case STEP_LOSE:
        client_lose(s);
        break;
    case STEP_READ:
        client_read(s, arg / SOCKETS);
        break;
    case STEP_PONG:
        client_pong(s);
        break;
    case STEP_RESUME:
        client_resume(s, arg);
        break;
    case STEP_OTHER_ANSWERS:
        other_answers(arg, bytes, len);
        break;
    case STEP_OTHER_TAKES:
        other_takes(arg);
        break;
    case STEP_OTHER_MARKS:
        other_marks(arg);
        break;
    case STEP_OTHER_SHOWS:
        other_shows(arg);
        break;
    case STEP_OTHER_STATUS:
        other_status(arg);
        break;
    case STEP_CLOCK:
        set_clock((int8_t)arg);
        break;
    case STEP_DRAIN:
        drain(arg);
        break;
    case STEP_FULL:
        s->full = s->open;
        break;
    case STEP_LOOK:
        look(arg);
        break;
    }
}

static bool has_bytes(unsigned code)
{
    return code == STEP_SAY || code == STEP_SAY_MANY || code == STEP_PUBLISH ||
           code == STEP_OTHER_ANSWERS;
}

static void run(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at + 2 <= size) {
        unsigned code = data[at] % STEPS;
        uint8_t arg = data[at + 1];
        size_t len = 0;
        at += 2;
        if (has_bytes(code) && at < size) {
            len = data[at++];
            if (len > size - at)
                len = size - at;
        }
        /* A copy of its own, so that reading beyond it is seen. */
        char *bytes = malloc(len + 1);
        require(bytes != NULL);
        memcpy(bytes, data + at, len);
        step(code, arg, bytes, len);
        check_everything();
        free(bytes);
        at += len;
    }
}

static void put_servers(void *ice, struct buf *b, struct text peer, int64_t now_ms)
{
    (void)ice;
    (void)peer;
    (void)now_ms;
    buf_str(b, "[]");
}

/* One room in which only relayed candidates pass. */
static const struct ice_policies *relay_only(void)
{
    static const struct ice_policy_source rows[] = {{.rooms = "r*", .relay_only = true}};
    static struct ice_policies *policies;
    if (!policies)
        require(ice_policies_create(&policies, rows, 1, NULL) == STATUS_OK);
    return policies;
}

enum {
    OPTION_WATCH_ALL = 1,
    OPTION_RELAY_ONLY = 2,
    OPTION_NO_RESUME = 4,
    OPTION_SMALL_REPLAY = 8,
    OPTION_FEW_AWAY = 16
};

static void begin(uint8_t how)
{
    struct router_options o = {
        .prefix = "p",
        .bridge = "b1",
        .run = "aaaaaa",
        .version = "0",
        .watch_all = how & OPTION_WATCH_ALL,
        .ice_policies = how & OPTION_RELAY_ONLY ? relay_only() : NULL,
        .presence_expiry_s = 60,
        .join_timeout_us = 10000000,
        .message_max = 65536,
        .room_peers_max = 3,
        .rooms_max = 5,
        .messages = {100, 400},
        .bytes = {10000, 100000},
        .resume_window_us = how & OPTION_NO_RESUME ? 0 : 30000000,
        .replay_messages = how & OPTION_SMALL_REPLAY ? 3 : 256,
        .replay_bytes = how & OPTION_SMALL_REPLAY ? 400 : 1048576,
        .away_max = how & OPTION_FEW_AWAY ? 1 : 100,
    };
    now = (struct now){1000000, 1000};
    held = drain_over = false;
    sender_count = 0;
    clients_begin();
    said_begin();
    other_begin();
    require(router_init(&router, &o, now) == STATUS_OK);
    router.socket_ops = client_ops;
    router.bus_ops = (struct bus_ops){on_publish, on_subscribe, on_unsubscribe, on_hold};
    router.recorder_ops = (struct recorder_ops){on_record};
    router.ice_ops = (struct ice_ops){put_servers};
}

/* Everybody goes, and in time nothing is left of them. */
static void end(void)
{
    for (size_t i = 0; i < SOCKETS; i++)
        if (sockets[i].open)
            client_open_or_close(&sockets[i]);
    for (int i = 0; i < 3; i++) {
        while (published_count)
            settle(2);
        later(40);
        router_flush(&router, now);
        check_everything();
    }
    require(router.session_count == 0 && router.joined_count == 0);
    require(list_empty(&router.sessions));
    while (published_count)
        settle(2);
    require(router.echo_bytes == 0);
    router_release(&router);
    other_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin(size ? data[0] : 0);
    if (size)
        run(data + 1, size - 1);
    end();
    return 0;
}
