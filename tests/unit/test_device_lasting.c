/* What lasts: a device comes back by itself from whatever happened to the broker, the cable or the
 * certificates, with subscriptions and presence, and says so; its presence is true; and nothing is
 * heard twice. Against a real mosquitto. */
#include "test_device_fake.h"
#include "test_device_line.h"
#include "test_device_world.h"

#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define INBOX(from) "p/rooms/r/peers/cam/in/" from
#define PRESENCE    "p/rooms/r/peers/cam/presence"

static struct world w;
static struct device cam, other;

/* ---- A clock that can be set ---------------------------------------------------------------- */

static enum { CLOCK_RIGHT, CLOCK_BACK, CLOCK_UNSET } wall;

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int rc = __real_clock_gettime(clock, t);
    if (clock == CLOCK_REALTIME && wall == CLOCK_BACK)
        t->tv_sec -= 3600;
    else if (clock == CLOCK_REALTIME && wall == CLOCK_UNSET)
        t->tv_sec = 17;
    return rc;
}

/* ---- Small things --------------------------------------------------------------------------- */

static void cam_gets(const char *part)
{
    expect(&w, &cam.log, part);
}

static void hear(const char *part)
{
    expect(&w, &w.seen, part);
}

static void say(const char *topic, const char *payload)
{
    observer_publish(&w, topic, payload, false);
}

static void watch_again(void)
{
    observer_disconnect(&w);
    observer_connect(&w, NULL, NULL);
}

static struct sigdev_stats stats_of(struct device *d)
{
    struct sigdev_stats s;
    sigdev_get_stats(d->dev, &s);
    return s;
}

/* Whoever comes now sees the device, and can reach it. */
static void assert_present(const char *mark)
{
    char json[100], part[100];
    w.seen.cursor = w.seen.count;
    watch_again();
    hear(PRESENCE " {");
    snprintf(json, sizeof json, "{\"type\":\"message\",\"data\":\"%s\"}", mark);
    snprintf(part, sizeof part, "message from=tab room=0 data=\"%s\"", mark);
    say(INBOX("tab"), json);
    cam_gets(part);
}

/* ---- The broker goes and comes -------------------------------------------------------------- */

static const char keeps_nothing[] = "listener @PORT@ 127.0.0.1\nallow_anonymous true\n";
static const char keeps_all[] = "listener @PORT@ 127.0.0.1\nallow_anonymous true\n"
                                "persistence true\npersistence_location @DIR@/\n";

static const struct restart_row {
    const char *name;
    const char *conf;
    bool killed, durable;
    enum sigdev_mqtt mqtt;
    const char *want;
} restart_rows[] = {
    {"killed, keeps nothing", keeps_nothing, true, false, SIGDEV_MQTT_5,
     "state online error=0 text= again"},
    {"ended, keeps nothing", keeps_nothing, false, false, SIGDEV_MQTT_311,
     "state online error=0 text= again"},
    {"killed, durable, never saved", keeps_all, true, true, SIGDEV_MQTT_5,
     "state online error=0 text= again"},
    {"ended, keeps all", keeps_all, false, false, SIGDEV_MQTT_5,
     "state online error=0 text= again"},
    {"ended, keeps all, durable", keeps_all, false, true, SIGDEV_MQTT_5,
     "state online error=0 text= again kept"},
    {"ended, keeps all, durable, 3.1.1", keeps_all, false, true, SIGDEV_MQTT_311,
     "state online error=0 text= again kept"},
};

static void test_broker_restarts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof restart_rows / sizeof *restart_rows; i++) {
        const struct restart_row *r = &restart_rows[i];
        struct sigdev_config c;
        print_message("  %s\n", r->name);
        world_open(&w, r->conf);
        observer_connect(&w, NULL, NULL);
        device_config(&w, &cam, &c);
        c.durable = r->durable;
        c.mqtt = r->mqtt;
        device_run(&w, &cam, i % 2 ? OWN_THREAD : OUR_LOOP, &c);
        cam_gets("state online error=0 text=");
        assert_int_equal(log_count(&cam.log, "again"), 0);
        observer_disconnect(&w);
        if (r->killed)
            broker_kill(&w.broker);
        else
            broker_stop(&w.broker);
        cam_gets("state waiting error=15");
        broker_start(&w.broker);
        cam_gets(r->want);
        if (log_count(&cam.log, "kept") != (strstr(r->want, "kept") != NULL))
            fail_msg("%s: the session was not kept", r->name);
        observer_connect(&w, NULL, NULL);
        assert_present("back");
        assert_int_equal(stats_of(&cam).connects, 2);
        assert_true(stats_of(&cam).watched);
        assert_int_equal(stats_of(&cam).contested, 0);
        device_leave(&w, &cam);
        hear(PRESENCE " (empty)");
        world_close(&w);
    }
}

/* A broker that stops for longer than two keepalives. What was sent meanwhile arrives once: the
 * broker may have it twice, from the old connection's buffer and again over the new one. */
static void test_frozen_broker(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.keepalive_s = 5;
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    device_config(&w, &other, &c);
    c.peer = "tab";
    c.keepalive_s = 600; /* does not notice */
    device_run(&w, &other, OWN_THREAD, &c);
    expect(&w, &other.log, "state online");
    kill(w.broker.pid, SIGSTOP);
    assert_int_equal(sigdev_send_message(cam.dev, "tab", "\"once\""), SIGDEV_OK);
    cam_gets("state waiting error=15 text=the broker has stopped answering");
    kill(w.broker.pid, SIGCONT);
    cam_gets("state online error=0 text= again");
    await_acknowledged(&w, &cam);
    assert_int_equal(sigdev_send_message(cam.dev, "tab", "\"fence\""), SIGDEV_OK);
    expect(&w, &other.log, "data=\"once\"");
    expect(&w, &other.log, "data=\"fence\"");
    assert_int_equal(log_count(&other.log, "data=\"once\""), 1);
    assert_true(cam.away_ms >= 5000); /* a keepalive without a word, which is before it was known */
    assert_present("thawed");
    device_leave(&w, &other);
    device_leave(&w, &cam);
    world_close(&w);
}

/* Back at a restarted broker before the one it talks to: what it sends waits for that one, in
 * order, and does not hold up what is for others. Who does not come is reported. */
static void test_back_first(void **state)
{
    struct sigdev_config c;
    (void)state;
    world_open(&w, keeps_nothing); /* without the observer, who listens to everything */
    device_config(&w, &cam, &c);
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    broker_kill(&w.broker);
    cam_gets("state waiting");
    assert_int_equal(sigdev_send_message(cam.dev, "nobody", "0"), SIGDEV_OK);
    for (int i = 1; i <= 5; i++) {
        char data[16];
        snprintf(data, sizeof data, "%d", i);
        assert_int_equal(sigdev_send_message(cam.dev, "tab", data), SIGDEV_OK);
        assert_int_equal(sigdev_send_message(cam.dev, NULL, data), SIGDEV_OK);
    }
    broker_start(&w.broker);
    cam_gets("state online error=0 text= again");
    while (stats_of(&cam).sent < 5) /* to the room */
        pump(&w, 100);
    device_config(&w, &other, &c);
    c.peer = "tab";
    device_run(&w, &other, OWN_THREAD, &c);
    for (int i = 1; i <= 5; i++) {
        char part[64];
        snprintf(part, sizeof part, "message from=cam room=0 data=%d", i);
        expect(&w, &other.log, part);
    }
    cam_gets("undelivered to=nobody type=message id= error=11");
    assert_int_equal(stats_of(&cam).sent, 10);
    assert_int_equal(stats_of(&cam).undelivered, 1);
    device_leave(&w, &other);
    device_leave(&w, &cam);
    world_close(&w);
}

/* ---- The cable ------------------------------------------------------------------------------ */

/* Nobody is told that the cable is out: the keepalive finds it. In again, the device is back by
 * itself; its old connection, which the broker still has, ends at once, being of the same client.
 */
static void test_cable(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        struct line line;
        world_open(&w, NULL);
        line_start(&line, w.broker.port);
        device_config(&w, &cam, &c);
        c.port = (uint16_t)line.port;
        c.keepalive_s = 5;
        c.handshake_ms = 1000;
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("state online");
        line_pull(&line, true);
        assert_int_equal(sigdev_send_message(cam.dev, "tab", "1"), SIGDEV_OK);
        cam_gets("state waiting error=15 text=the broker has stopped answering");
        cam_gets("state waiting error=15 text=no connection in time");
        line_pull(&line, false);
        cam_gets("state online error=0 text= again");
        hear("p/rooms/r/peers/tab/in/cam {\"type\":\"message\",\"data\":1,"); /* late */
        assert_present("in again");
        assert_true(stats_of(&cam).restored <= 1); /* the old connection's will came before ours */
        device_leave(&w, &cam);
        line_stop(&line);
        world_close(&w);
    }
}

/* The will of an older connection that the broker took for alive, of another client id, so that
 * nothing ended it: it takes away a presence that is newer, and that one comes back. */
static void test_late_will(void **state)
{
    (void)state;
    struct sigdev_config c;
    struct line line;
    world_open(&w, NULL);
    line_start(&line, w.broker.port);
    device_config(&w, &other, &c);
    c.port = (uint16_t)line.port;
    c.client_id = "before";
    c.keepalive_s = 5;
    device_run(&w, &other, OWN_THREAD, &c);
    expect(&w, &other.log, "state online");
    line_pull(&line, true);
    device_destroy(&w, &other); /* the device was switched off, and the broker does not know */
    device_config(&w, &cam, &c);
    c.client_id = "after";
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online error=0 text=");
    assert_int_equal(log_count(&w.seen, PRESENCE " (empty)"), 0);
    hear(PRESENCE " (empty)"); /* after one and a half keepalives */
    hear(PRESENCE " {");
    cam_gets("contested gone");
    assert_present("true again");
    assert_int_equal(stats_of(&cam).restored, 1);
    assert_int_equal(stats_of(&cam).contested, 0);
    assert_int_equal(stats_of(&cam).connects, 1);
    device_leave(&w, &cam);
    line_stop(&line);
    world_close(&w);
}

/* ---- Presence ------------------------------------------------------------------------------- */

/* Cleared while it is alive: published again, once for many, and not at once. When it leaves, its
 * own empty presence is no reason to come back. */
static void test_cleared(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        world_open(&w, NULL);
        device_config(&w, &cam, &c);
        c.watch_presence = way == OUR_LOOP; /* then it comes with the others' */
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("state online");
        hear(PRESENCE " {");
        observer_publish(&w, PRESENCE, "", true);
        hear(PRESENCE " (empty)");
        hear(PRESENCE " {");
        cam_gets("contested gone");
        for (int i = 0; i < 10; i++)
            observer_publish(&w, PRESENCE, "", true);
        for (int i = 0; i < 10; i++)
            hear(PRESENCE " (empty)");
        hear(PRESENCE " {");
        assert_int_equal(stats_of(&cam).restored, 2);
        assert_int_equal(log_count(&w.seen, PRESENCE " {"), 3);
        assert_present("still");
        w.seen.cursor = w.seen.count;
        device_leave(&w, &cam);
        hear(PRESENCE " (empty)");
        world_close(&w);
    }
}

/* Two of one name with client ids of their own, so that the broker lets both stay: each is told,
 * they do not overwrite each other in turn, and when one vanishes the other's presence is back. */
static void test_two_ids(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    device_config(&w, &other, &c);
    c.client_id = "another";
    c.meta = "{\"name\":\"Double\"}";
    device_run(&w, &other, OWN_THREAD, &c);
    cam_gets("contested {\"name\":\"Double\"}");
    expect(&w, &other.log, "state online");
    assert_int_equal(sigdev_set_meta(cam.dev, "{\"name\":\"First\"}"), SIGDEV_OK);
    expect(&w, &other.log, "contested {\"name\":\"First\"}");
    hear(PRESENCE " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"First\"}");
    assert_int_equal(log_count(&w.seen, PRESENCE " {"), 3);
    device_destroy(&w, &other);
    hear(PRESENCE " (empty)");
    hear(PRESENCE " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"First\"}");
    assert_present("alone");
    assert_int_equal(log_count(&cam.log, "state waiting"), 0);
    device_leave(&w, &cam);
    world_close(&w);
}

/* Two of one name and client id throw each other out, and this broker does not say why. Their
 * pauses grow although each connection was good, and they say what may be the reason. */
static void test_one_id(void **state)
{
    enum { MAX = 100 };
    struct sigdev_config c;
    (void)state;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.retry_min_ms = 10;
    c.retry_max_ms = MAX;
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    device_config(&w, &other, &c);
    c.retry_min_ms = 10;
    c.retry_max_ms = MAX;
    c.meta = "{\"name\":\"Double\"}";
    device_run(&w, &other, OWN_THREAD, &c);
    for (int i = 0; i < 7; i++)
        cam_gets("state waiting error=");
    assert_in_range(cam.retry_ms[6], MAX / 2, MAX);
    assert_true(log_count(&cam.log, "does another device use the client id r:cam?") > 0);
    device_destroy(&w, &other);
    cam_gets("state online");
    assert_present("alone");
    device_leave(&w, &cam);
    world_close(&w);
}

/* A broker that says it: then the pauses grow beyond the longest of other reasons. */
static void test_taken_over(void **state)
{
    enum { MAX = 40 };
    static const int64_t bases[] = {MAX, 2 * MAX, 4 * MAX, 8 * MAX, 8 * MAX};
    struct sigdev_config c;
    struct fake fake;
    (void)state;
    fake_start(&fake, FAULT_DISCONNECTS, true, NULL, NULL);
    memset(&w, 0, sizeof w);
    w.broker.port = fake.port;
    device_config(&w, &cam, &c);
    c.retry_min_ms = 10;
    c.retry_max_ms = MAX;
    device_run(&w, &cam, OUR_LOOP, &c);
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        cam_gets("state waiting error=18 text=another connection has taken over our client id");
        assert_in_range(cam.retry_ms[i], bases[i] / 2, bases[i]);
    }
    device_destroy(&w, &cam);
    fake_stop(&fake);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(broker_path(&w.broker, name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* A broker that does not know the device yet: it says so, asks seldom, and comes when it may.
 * Rights without that of seeing one's own presence are enough. */
static void test_refused_login(void **state)
{
    (void)state;
    struct sigdev_config c;
    w.device_count = 0;
    log_init(&w.seen);
    broker_prepare(&w.broker, "listener @PORT@ 127.0.0.1\nallow_anonymous false\n"
                              "password_file @DIR@/passwords\nacl_file @DIR@/acl\n");
    run_in(&w.broker, MOSQUITTO_PASSWD " -c -b passwords watcher sees");
    write_file("acl", "user watcher\ntopic readwrite #\n"
                      "pattern write p/rooms/r/peers/%u/presence\n"
                      "pattern read p/rooms/r/peers/%u/in/+\n");
    mosquitto_lib_init();
    broker_start(&w.broker);
    observer_connect(&w, "watcher", "sees");
    device_config(&w, &cam, &c);
    c.user = "cam";
    c.password = "right";
    c.retry_min_ms = 1;
    c.retry_max_ms = 400;
    device_run(&w, &cam, OUR_LOOP, &c);
    for (int i = 0; i < 3; i++) {
        cam_gets("state waiting error=13 text=the broker refuses the login");
        assert_in_range(cam.retry_ms[i], 200, 400);
    }
    run_in(&w.broker, MOSQUITTO_PASSWD " -b passwords cam right");
    kill(w.broker.pid, SIGHUP);
    cam_gets("state online");
    hear(PRESENCE " {");
    say(INBOX("tab"), "{\"type\":\"message\",\"data\":\"in\"}");
    cam_gets("data=\"in\"");
    assert_false(stats_of(&cam).watched);
    device_leave(&w, &cam);
    world_close(&w);
}

static void test_own_refused(void **state)
{
    (void)state;
    struct sigdev_config c;
    struct fake fake;
    for (int unasked = 0; unasked < 2; unasked++) {
        fake_start(&fake, FAULT_REFUSES_OWN, true, NULL, NULL);
        memset(&w, 0, sizeof w);
        w.broker.port = fake.port;
        device_config(&w, &cam, &c);
        c.no_own_presence = unasked;
        device_run(&w, &cam, OWN_THREAD, &c);
        cam_gets("state online error=0 text=");
        assert_int_equal(log_count(&cam.log, "does not let us see our own presence"), !unasked);
        device_leave(&w, &cam);
        fake_stop(&fake);
    }
}

/* ---- Once ----------------------------------------------------------------------------------- */

static void test_once(void **state)
{
    (void)state;
    struct sigdev_config c;
    const char *stamped = "{\"type\":\"offer\",\"sdp\":\"v=0\",\"sent\":5}";
    const char *plain = "{\"type\":\"invite\"}";
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.room_messages = true;
    device_run(&w, &cam, OWN_THREAD, &c);
    cam_gets("state online");
    for (int i = 0; i < 3; i++) {
        say(INBOX("tab"), stamped);
        say(INBOX("eve"), stamped);
        say(INBOX("tab"), plain);
    }
    say(INBOX("_bridge"), "{\"type\":\"ping\"}");
    say(INBOX("_bridge"), "{\"type\":\"of-tomorrow\",\"sent\":1}");
    say("p/rooms/r/all/tab", "{\"type\":\"dance\"}");
    say(INBOX("tab"), "{\"type\":\"bye\"}");
    cam_gets("bye from=tab");
    assert_int_equal(log_count(&cam.log, "offer from=tab"), 1);
    assert_int_equal(log_count(&cam.log, "offer from=eve"), 1);
    assert_int_equal(log_count(&cam.log, "invite from=tab"), 3);
    assert_int_equal(log_count(&cam.log, "refused"), 0);
    struct sigdev_stats s = stats_of(&cam);
    assert_int_equal(s.repeated, 4);
    assert_int_equal(s.ignored, 3);
    assert_int_equal(s.refused, 0);
    assert_int_equal(s.received, 6);
    device_leave(&w, &cam);
    world_close(&w);
}

/* A broker that sends again what was acknowledged in vain. */
static void test_redelivery(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        struct fake fake;
        fake_start(&fake, FAULT_REPEATS, true, NULL, NULL);
        memset(&w, 0, sizeof w);
        w.broker.port = fake.port;
        device_config(&w, &cam, &c);
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("message from=tab room=0 data=1");
        while (stats_of(&cam).repeated < 2)
            pump(&w, 10);
        assert_int_equal(log_count(&cam.log, "message from=tab"), 1);
        device_leave(&w, &cam);
        fake_stop(&fake);
    }
}

static void send_data(const char *data)
{
    assert_int_equal(sigdev_send_message(cam.dev, NULL, data), SIGDEV_OK);
}

/* `sent` of the message with that data, as the observer saw it; 0: it has none. */
static long long sent_of(const char *data)
{
    char part[100];
    long long sent = 0;
    snprintf(part, sizeof part, "all/cam {\"type\":\"message\",\"data\":%s,", data);
    hear(part);
    const char *at = strstr(w.seen.lines[w.seen.cursor - 1], "\"sent\":");
    if (at)
        sent = strtoll(at + 7, NULL, 10);
    return sent;
}

/* No two messages of a device are the same, whatever its clock does. */
static void test_stamps(void **state)
{
    enum { MANY = 50 };
    struct sigdev_config c;
    char data[16];
    long long last = 0;
    (void)state;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    wall = CLOCK_UNSET;
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    hear(PRESENCE " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"Cam\"},\"ttl\":120}");
    send_data("\"early\"");
    send_data("\"early\"");
    assert_int_equal(sent_of("\"early\""), 0);
    assert_non_null(strstr(w.seen.lines[w.seen.cursor - 1], "-1\"}"));
    hear("-2\"}");
    for (int i = 0; i < MANY; i++) {
        wall = i < MANY / 2 ? CLOCK_RIGHT : i < MANY * 3 / 4 ? CLOCK_BACK : CLOCK_UNSET;
        snprintf(data, sizeof data, "%d", i);
        send_data(data);
    }
    wall = CLOCK_RIGHT;
    for (int i = 0; i < MANY; i++) {
        snprintf(data, sizeof data, "%d", i);
        long long sent = sent_of(data);
        if (sent <= last)
            fail_msg("message %d: %lld after %lld", i, sent, last);
        last = sent;
    }
    device_leave(&w, &cam);
    world_close(&w);
}

/* ---- Certificates --------------------------------------------------------------------------- */

static void make_ca(const char *name)
{
    char line[256];
    snprintf(line, sizeof line,
             OPENSSL " req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                     "-keyout %s.key -out %s.pem -subj /CN=%s",
             name, name, name);
    run_in(&w.broker, line);
}

/* name.pem and name.key by that CA, complete before they take the place of older ones. */
static void sign(const char *name, const char *ca)
{
    char line[700];
    snprintf(line, sizeof line,
             OPENSSL " req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout new.key "
                     "-out new.csr -subj /CN=%s && printf 'subjectAltName=IP:127.0.0.1' > new.ext "
                     "&& " OPENSSL " x509 -req -in new.csr -CA %s.pem -CAkey %s.key "
                     "-CAcreateserial -days 2 -extfile new.ext -out new.pem "
                     "&& mv new.key %s.key && mv new.pem %s.pem",
             name, ca, ca, name, name);
    run_in(&w.broker, line);
}

/* The broker gets a new CA, and asks for certificates of it; the device's own files are renewed
 * later, first one, then the other: it says what is wrong, and comes when they fit, without being
 * told. */
static void test_certificates(void **state)
{
    (void)state;
    struct sigdev_config c;
    char ca[256], cert[256], key[256];
    memset(&w, 0, sizeof w);
    log_init(&w.seen);
    mosquitto_lib_init();
    broker_prepare(&w.broker, "allow_anonymous true\nlistener @PORT@ 127.0.0.1\n"
                              "certfile @DIR@/broker.pem\nkeyfile @DIR@/broker.key\n"
                              "cafile @DIR@/trusted.pem\nrequire_certificate true\n");
    make_ca("old");
    make_ca("new-ca");
    sign("broker", "old");
    sign("cam", "old");
    run_in(&w.broker, "cp old.pem trusted.pem && cp old.pem ours.pem");
    broker_start(&w.broker);
    device_config(&w, &cam, &c);
    snprintf(ca, sizeof ca, "%s", broker_path(&w.broker, "ours.pem"));
    snprintf(cert, sizeof cert, "%s", broker_path(&w.broker, "cam.pem"));
    snprintf(key, sizeof key, "%s", broker_path(&w.broker, "cam.key"));
    c.tls = true;
    c.ca_file = ca;
    c.cert_file = cert;
    c.key_file = key;
    device_run(&w, &cam, OWN_THREAD, &c);
    cam_gets("state online");

    /* Renewed by the same CA: the connection that stands is left alone, the next one uses it. */
    run_in(&w.broker, "mv cam.pem was.pem && mv cam.key was.key");
    broker_kill(&w.broker);
    cam_gets("state waiting error=14 text=cert_file: cannot be read: No such file");
    sign("cam", "old");
    broker_start(&w.broker);
    cam_gets("state online error=0 text= again");

    /* Another CA. */
    sign("broker", "new-ca");
    run_in(&w.broker, "cp new-ca.pem trusted.pem");
    broker_kill(&w.broker);
    broker_start(&w.broker);
    cam_gets("state waiting error=14 text=OpenSSL Error[0]: error:"); /* we do not know it */
    run_in(&w.broker, "cp new-ca.pem next.pem && mv next.pem ours.pem");
    cam_gets("state waiting error=14 text=the broker broke off the TLS"); /* it does not know us */
    sign("cam", "new-ca");
    cam_gets("state online error=0 text= again");
    assert_int_equal(stats_of(&cam).connects, 3);
    device_leave(&w, &cam);
    world_close(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broker_restarts), cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_two_ids),         cmocka_unit_test(test_one_id),
        cmocka_unit_test(test_taken_over),      cmocka_unit_test(test_refused_login),
        cmocka_unit_test(test_own_refused),     cmocka_unit_test(test_once),
        cmocka_unit_test(test_redelivery),      cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_certificates),    cmocka_unit_test(test_frozen_broker),
        cmocka_unit_test(test_back_first),      cmocka_unit_test(test_cable),
        cmocka_unit_test(test_late_will),
    };
    log_init(&w.seen);
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
