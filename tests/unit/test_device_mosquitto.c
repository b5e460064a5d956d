/* The adapter against a real mosquitto: both MQTT versions, both ways to drive it. */
#include "test_device_world.h"

#include <fcntl.h>
#include <mosquitto.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INBOX(from)   "p/rooms/r/peers/cam/in/" from
#define PRESENCE(who) "p/rooms/r/peers/" who "/presence"

extern char **environ;

static struct world w;
static struct device cam, tab;
static const char *self_path;

static const struct variant {
    const char *name;
    enum drive_way way;
    enum sigdev_mqtt mqtt;
    bool qos0;
} variants[] = {
    {"own thread, MQTT 5", OWN_THREAD, SIGDEV_MQTT_5, false},
    {"own thread, MQTT 3.1.1", OWN_THREAD, SIGDEV_MQTT_311, false},
    {"our loop, MQTT 5", OUR_LOOP, SIGDEV_MQTT_5, false},
    {"our loop, MQTT 3.1.1", OUR_LOOP, SIGDEV_MQTT_311, false},
    {"our loop, QoS 0", OUR_LOOP, SIGDEV_MQTT_5, true},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static void say(const char *from_topic, const char *payload)
{
    observer_publish(&w, from_topic, payload, false);
}

static void hear(const char *part)
{
    expect(&w, &w.seen, part);
}

static void cam_gets(const char *part)
{
    expect(&w, &cam.log, part);
}

static void run_cam(const struct variant *v)
{
    struct sigdev_config c;
    device_config(&w, &cam, &c);
    c.mqtt = v->mqtt;
    c.qos0 = v->qos0;
    c.room_messages = true;
    cam.auto_answer = true;
    device_run(&w, &cam, v->way, &c);
    cam_gets("state online");
}

static void one_call(const char *call)
{
    char json[200], part[200];
    snprintf(json, sizeof json, "{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\",\"call\":\"%s\"}", call);
    say(INBOX("tab"), json);
    snprintf(part, sizeof part, "offer from=tab call=%s sdp=v=0\r\n", call);
    cam_gets(part);
    snprintf(part, sizeof part,
             "p/rooms/r/peers/tab/in/cam {\"type\":\"answer\",\"sdp\":\"v=0\\r\\ns=answer\\r\\n\","
             "\"call\":\"%s\",\"sent\":1",
             call);
    hear(part);
    hear("\"candidate\":{\"candidate\":\"candidate:1\",\"sdpMid\":\"0\"}");
    hear("\"candidate\":null");
}

/* Every kind of message once, in both directions; and what must be refused. */
static void every_message(void)
{
    say(INBOX("tab"), "{\"type\":\"answer\",\"sdp\":\"s=1\",\"call\":\"x\"}");
    cam_gets("answer from=tab call=x sdp=s=1");
    say(INBOX("tab"),
        "{\"type\":\"candidate\",\"candidate\":{\"candidate\":\"c1\",\"sdpMid\":\"0\"}}");
    cam_gets("candidate from=tab call= c1");
    say(INBOX("tab"),
        "{\"type\":\"candidates\",\"call\":\"y\",\"candidates\":"
        "[{\"candidate\":\"c2\",\"sdpMid\":\"0\"},{\"candidate\":\"c3\",\"sdpMid\":\"0\"},null]}");
    cam_gets("candidate from=tab call=y c2");
    cam_gets("candidate from=tab call=y c3");
    cam_gets("candidate from=tab call=y end");
    say(INBOX("tab"), "{\"type\":\"bye\",\"reason\":\"done\"}");
    cam_gets("bye from=tab reason=done blocked=1");
    say(INBOX("tab"), "{\"type\":\"invite\",\"media\":{\"video\":true}}");
    cam_gets("invite from=tab video=1");
    say(INBOX("tab"), "{\"type\":\"message\",\"data\":[1,2]}");
    cam_gets("message from=tab room=0 data=[1,2]");
    say("p/rooms/r/all/tab", "{\"type\":\"message\",\"data\":\"all\"}");
    cam_gets("message from=tab room=1 data=\"all\"");
    say(INBOX("tab"), "{\"type\":\"sealed\",\"data\":\"aGk=\"}");
    cam_gets("sealed from=tab aGk=");
    say(INBOX("_bridge"), "{\"type\":\"error\",\"code\":404,\"error\":\"peer-not-found\","
                          "\"to\":\"nobody\"}");
    cam_gets("error 404 peer-not-found to=nobody");
    say(INBOX("_bridge"), "{\"type\":\"ice-servers\",\"id\":\"q\",\"iceServers\":"
                          "[{\"urls\":\"stun:s\"}]}");
    cam_gets("ice id=q url=stun:s");

    say(INBOX("tab"), "not JSON");
    cam_gets("refused from=tab error=5");
    say(INBOX("tab"), "{\"type\":\"offer\"}");
    cam_gets("refused from=tab error=6 `sdp` is missing");
    say(INBOX("tab"), "{\"type\":\"error\",\"code\":404,\"error\":\"x\"}");
    cam_gets("refused from=tab error=6 `type`");
    say(INBOX("tab"), "");
    cam_gets("refused from=tab error=5");

    assert_int_equal(sigdev_send_offer(cam.dev, "tab", "o", "v=0\n"), SIGDEV_OK);
    hear("in/cam {\"type\":\"offer\",\"sdp\":\"v=0\\n\",\"call\":\"o\"");
    assert_int_equal(sigdev_send_bye(cam.dev, "tab", NULL, "so long"), SIGDEV_OK);
    hear("in/cam {\"type\":\"bye\",\"reason\":\"so long\",\"sent\"");
    struct sigdev_media media = {.audio = SIGDEV_WANT_YES};
    assert_int_equal(sigdev_send_invite(cam.dev, "tab", NULL, &media), SIGDEV_OK);
    hear("in/cam {\"type\":\"invite\",\"media\":{\"audio\":true}");
    assert_int_equal(sigdev_send_message(cam.dev, NULL, "{\"t\":1}"), SIGDEV_OK);
    hear("p/rooms/r/all/cam {\"type\":\"message\",\"data\":{\"t\":1}");
    assert_int_equal(sigdev_ask_ice_servers(cam.dev, "q7"), SIGDEV_OK);
    hear("p/rooms/r/peers/_bridge/in/cam {\"type\":\"ice-servers\",\"id\":\"q7\"");
    assert_int_equal(log_count(&cam.log, "room=1"), 1); /* its own room message did not come back */

    assert_int_equal(sigdev_send_offer(cam.dev, "a/b", NULL, "v=0"), SIGDEV_ERR_ARGUMENT);
    assert_int_equal(sigdev_send_offer(cam.dev, NULL, NULL, "v=0"), SIGDEV_ERR_ARGUMENT);
    assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, NULL), SIGDEV_ERR_ARGUMENT);
    assert_int_equal(sigdev_send_message(cam.dev, "tab", "{"), SIGDEV_ERR_ARGUMENT);
    assert_int_equal(sigdev_set_meta(cam.dev, "[]"), SIGDEV_ERR_ARGUMENT);
}

static void test_variants(void **state)
{
    (void)state;
    for (int i = 0; i < VARIANTS; i++) {
        print_message("  %s\n", variants[i].name);
        world_open(&w, NULL);
        run_cam(&variants[i]);
        hear(PRESENCE("cam") " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"Cam\"},"
                             "\"since\":1");
        one_call("c1");
        every_message();
        assert_int_equal(sigdev_set_meta(cam.dev, "{\"name\":\"Moved\"}"), SIGDEV_OK);
        hear(PRESENCE("cam") " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"Moved\"}");

        observer_disconnect(&w);
        broker_kill(&w.broker);
        cam_gets("state waiting");
        broker_start(&w.broker);
        cam_gets("state online");
        observer_connect(&w, NULL, NULL);
        hear(PRESENCE("cam") " {\"bundle\":true,\"kind\":\"device\",\"meta\":{\"name\":\"Moved\"}");
        one_call("c2");

        struct sigdev_stats stats = await_acknowledged(&w, &cam);
        assert_int_equal(stats.connects, 2);
        assert_int_equal(stats.refused, 4);
        assert_int_equal(stats.queued_bytes, 0);
        device_leave(&w, &cam);
        hear(PRESENCE("cam") " (empty)");
        world_close(&w);
    }
}

/* A retained message in an inbox would come back at each reconnect. */
static void test_retained_message(void **state)
{
    (void)state;
    world_open(&w, NULL);
    observer_publish(&w, INBOX("tab"), "{\"type\":\"offer\",\"sdp\":\"v=0\"}", true);
    hear(INBOX("tab"));
    run_cam(&variants[2]);
    cam.log.cursor = 0; /* it may have come before the presence was acknowledged */
    cam_gets("refused from=tab error=6 a retained message");
    assert_int_equal(log_count(&cam.log, "offer"), 0);
    device_leave(&w, &cam);
    world_close(&w);
}

/* The device in a process of its own, to be killed. */
static int child_device(int port)
{
    struct sigdev_config c;
    struct device d;
    static struct world child;
    child.broker.port = port;
    device_config(&child, &d, &c);
    memset(&c.on, 0, sizeof c.on);
    struct sigdev *dev;
    if (sigdev_create(&c, &dev, NULL, 0) || sigdev_start(dev))
        return 1;
    for (;;)
        pause();
}

static void test_will(void **state)
{
    (void)state;
    char port[16], program[256];
    pid_t pid;
    world_open(&w, NULL);
    snprintf(port, sizeof port, "%d", w.broker.port);
    snprintf(program, sizeof program, "%s", self_path);
    char device[] = "device";
    char *args[] = {program, device, port, NULL};
    assert_int_equal(posix_spawn(&pid, self_path, NULL, NULL, args, environ), 0);
    hear(PRESENCE("cam") " {");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    hear(PRESENCE("cam") " (empty)");
    world_close(&w);
}

static const char with_passwords[] = "listener @PORT@ 127.0.0.1\nallow_anonymous false\n"
                                     "password_file @DIR@/passwords\nacl_file @DIR@/acl\n";

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(broker_path(&w.broker, name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* A broker that knows cam and watcher; cam may write where it should and nowhere else. */
static void open_guarded_world(void)
{
    w.device_count = 0;
    log_init(&w.seen);
    broker_prepare(&w.broker, with_passwords);
    run_in(&w.broker, MOSQUITTO_PASSWD " -c -b passwords cam right");
    run_in(&w.broker, MOSQUITTO_PASSWD " -b passwords watcher sees");
    write_file("acl", "user watcher\ntopic readwrite #\n"
                      "pattern readwrite p/rooms/r/peers/%u/presence\n"
                      "pattern write p/rooms/r/peers/tab/in/%u\n"
                      "pattern read p/rooms/r/peers/%u/in/+\n");
    mosquitto_lib_init();
    broker_start(&w.broker);
}

static void test_login(void **state)
{
    (void)state;
    static const struct {
        enum sigdev_mqtt mqtt;
        const char *user, *password;
        const char *want;
    } rows[] = {
        {SIGDEV_MQTT_5, "cam", "wrong", "state waiting error=13 text=the broker refuses the login"},
        {SIGDEV_MQTT_311, "cam", "wrong",
         "state waiting error=13 text=the broker refuses the login"},
        {SIGDEV_MQTT_5, NULL, NULL, "state waiting error=13 text=the broker refuses the login"},
        {SIGDEV_MQTT_5, "cam", "right", "state online"},
        {SIGDEV_MQTT_311, "cam", "right", "state online"},
    };
    open_guarded_world();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sigdev_config c;
        device_config(&w, &cam, &c);
        c.mqtt = rows[i].mqtt;
        c.user = rows[i].user;
        c.password = rows[i].password;
        device_run(&w, &cam, OUR_LOOP, &c);
        cam_gets(rows[i].want);
        device_destroy(&w, &cam);
    }
    world_close(&w);
}

/* What MQTT 5 tells the sender: nobody listens there, or it may not write there. */
static void test_undelivered(void **state)
{
    (void)state;
    struct sigdev_config c;
    open_guarded_world();
    device_config(&w, &cam, &c);
    c.user = "cam";
    c.password = "right";
    device_run(&w, &cam, OWN_THREAD, &c);
    cam_gets("state online");
    struct sigdev_message m = {
        .type = SIGDEV_OFFER, .id = sigdev_str("id-1"), .sdp = sigdev_str("v=0")};
    assert_int_equal(sigdev_send(cam.dev, "tab", &m), SIGDEV_OK);
    cam_gets("undelivered to=tab type=offer id=id-1 error=11");
    assert_int_equal(sigdev_send_bye(cam.dev, "other", NULL, NULL), SIGDEV_OK);
    cam_gets("undelivered to=other type=bye id= error=12");
    assert_int_equal(sigdev_send_message(cam.dev, NULL, "1"), SIGDEV_OK);
    cam_gets("undelivered to=(room) type=message id= error=12");
    struct sigdev_stats stats;
    sigdev_get_stats(cam.dev, &stats);
    assert_int_equal(stats.undelivered, 3);
    assert_int_equal(stats.queued, 0);
    device_leave(&w, &cam);
    world_close(&w);
}

/* The presence itself may be forbidden: then nobody can call us, and that is said. */
static void test_presence_forbidden(void **state)
{
    (void)state;
    struct sigdev_config c;
    open_guarded_world();
    device_config(&w, &cam, &c);
    c.user = "cam";
    c.password = "right";
    c.peer = "someone-else";
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state waiting error=12 text=the broker does not let us publish our presence");
    device_destroy(&w, &cam);
    world_close(&w);
}

static void fill_queue(unsigned count)
{
    char data[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(data, sizeof data, "%u", i);
        assert_int_equal(sigdev_send_message(cam.dev, "tab", data), SIGDEV_OK);
    }
}

/* Offline the queue takes so much and no more; what it took comes in order. */
static void test_offline_queue(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        world_open(&w, NULL);
        observer_disconnect(&w);
        broker_kill(&w.broker);
        device_config(&w, &cam, &c);
        c.queue_messages = 40;
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("state waiting error=15");
        fill_queue(40);
        assert_int_equal(sigdev_send_message(cam.dev, "tab", "40"), SIGDEV_ERR_FULL);
        struct sigdev_stats stats;
        sigdev_get_stats(cam.dev, &stats);
        assert_int_equal(stats.queued, 40);
        broker_start(&w.broker);
        observer_connect(&w, NULL, NULL);
        for (int i = 0; i < 40; i++) {
            char part[64];
            snprintf(part, sizeof part, "in/cam {\"type\":\"message\",\"data\":%d,", i);
            hear(part);
        }
        device_leave(&w, &cam);
        world_close(&w);
    }
}

static void test_queue_bytes(void **state)
{
    (void)state;
    struct sigdev_config c;
    char sdp[3001];
    memset(sdp, 'a', sizeof sdp - 1);
    sdp[sizeof sdp - 1] = '\0';
    world_open(&w, NULL);
    observer_disconnect(&w);
    broker_kill(&w.broker);
    device_config(&w, &cam, &c);
    c.queue_bytes = 10000;
    device_run(&w, &cam, OUR_LOOP, &c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, sdp), SIGDEV_OK);
    assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, sdp), SIGDEV_ERR_FULL);
    assert_int_equal(sigdev_send_bye(cam.dev, "tab", NULL, NULL), SIGDEV_OK); /* this one fits */
    device_destroy(&w, &cam);
    world_close(&w);
}

static void test_queue_age(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    observer_disconnect(&w);
    broker_kill(&w.broker);
    device_config(&w, &cam, &c);
    c.queue_age_ms = 50;
    device_run(&w, &cam, OWN_THREAD, &c);
    assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, "v=0"), SIGDEV_OK);
    cam_gets("undelivered to=tab type=offer id= error=8");
    assert_int_equal(sigdev_stop(cam.dev, 100), SIGDEV_ERR_UNREACHABLE);
    assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, "v=0"), SIGDEV_ERR_STATE);
    device_destroy(&w, &cam);
    world_close(&w);
}

static void test_max_age(void **state)
{
    (void)state;
    struct sigdev_config c;
    char json[128];
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.max_age_ms = 60000;
    device_run(&w, &cam, OUR_LOOP, &c);
    cam_gets("state online");
    long long now = (long long)time(NULL) * 1000;
    snprintf(json, sizeof json, "{\"type\":\"message\",\"data\":\"old\",\"sent\":%lld}",
             now - 90000);
    say(INBOX("tab"), json);
    cam_gets("refused from=tab error=8");
    snprintf(json, sizeof json, "{\"type\":\"message\",\"data\":\"young\",\"sent\":%lld}", now);
    say(INBOX("tab"), json);
    cam_gets("message from=tab room=0 data=\"young\"");
    say(INBOX("tab"), "{\"type\":\"message\",\"data\":\"ageless\"}");
    cam_gets("message from=tab room=0 data=\"ageless\"");
    assert_int_equal(log_count(&cam.log, "old"), 0);
    device_leave(&w, &cam);
    world_close(&w);
}

/* With a ttl the presence is renewed in time, and it stays the same. */
static void test_ttl(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.ttl_s = 2;
    c.limit_sdp = 8000;
    c.limit_candidates = 20;
    c.no_bundle = true;
    device_run(&w, &cam, OUR_LOOP, &c);
    for (int i = 0; i < 3; i++)
        hear(PRESENCE("cam") " {\"bundle\":false,\"kind\":\"device\",\"meta\":{\"name\":\"Cam\"},");
    assert_int_equal(log_count(&w.seen, "\"ttl\":2,\"limits\":{\"sdp\":8000,\"candidates\":20}}"),
                     log_count(&w.seen, PRESENCE("cam")));
    device_leave(&w, &cam);
    world_close(&w);
}

/* A durable session gives, on waking, what came meanwhile. */
static void test_durable(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct sigdev_config c;
        world_open(&w, NULL);
        device_config(&w, &cam, &c);
        c.durable = true;
        c.mqtt = variants[i].mqtt;
        device_run(&w, &cam, variants[i].way, &c);
        cam_gets("state online");
        device_leave(&w, &cam);
        hear(PRESENCE("cam") " (empty)");
        say(INBOX("tab"), "{\"type\":\"message\",\"data\":\"meanwhile\"}");
        hear(INBOX("tab"));
        device_run(&w, &cam, variants[i].way, &c);
        cam_gets("message from=tab room=0 data=\"meanwhile\"");
        cam_gets("state online");
        device_leave(&w, &cam);
        world_close(&w);
    }
}

/* Two devices, no bridge: they see each other come, call, and go. */
static void test_two_devices(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &tab, &c);
    c.peer = "tab";
    c.meta = "{\"name\":\"Tab\"}";
    c.watch_presence = true;
    device_run(&w, &tab, OWN_THREAD, &c);
    expect(&w, &tab.log, "state online");
    run_cam(&variants[2]);
    expect(&w, &tab.log, "presence cam {\"name\":\"Cam\"}");
    assert_int_equal(sigdev_send_offer(tab.dev, "cam", "k", "v=0\r\n"), SIGDEV_OK);
    cam_gets("offer from=tab call=k");
    expect(&w, &tab.log, "answer from=cam call=k sdp=v=0");
    expect(&w, &tab.log, "candidate from=cam call=k candidate:1");
    expect(&w, &tab.log, "candidate from=cam call=k end");
    device_destroy(&w, &cam); /* without a word: the broker's will */
    expect(&w, &tab.log, "presence cam gone");
    assert_int_equal(log_count(&tab.log, "presence tab"), 0);
    device_leave(&w, &tab);
    world_close(&w);
}

/* Leaving from inside a callback, with something still to be sent before it. */
static void test_leave_in_callback(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        world_open(&w, NULL);
        cam.leave_on_bye = true;
        run_cam(&variants[i]);
        assert_int_equal(sigdev_send_message(cam.dev, "tab", "\"last\""), SIGDEV_OK);
        say(INBOX("tab"), "{\"type\":\"bye\"}");
        cam_gets("state leaving");
        cam_gets("state stopped error=0");
        hear("\"last\"");
        hear(PRESENCE("cam") " (empty)");
        assert_int_equal(sigdev_get_state(cam.dev), SIGDEV_STATE_STOPPED);
        cam.leave_on_bye = false;
        if (variants[i].way == OWN_THREAD)
            assert_int_equal(sigdev_stop(cam.dev, 0), SIGDEV_OK);

        /* And it can be driven again, the other way. */
        enum sigdev_error e =
            variants[i].way == OWN_THREAD ? sigdev_open(cam.dev) : sigdev_start(cam.dev);
        assert_int_equal(e, SIGDEV_OK);
        cam.way = variants[i].way == OWN_THREAD ? OUR_LOOP : OWN_THREAD;
        cam_gets("state online");
        assert_int_equal(sigdev_open(cam.dev), SIGDEV_ERR_STATE);
        assert_int_equal(sigdev_start(cam.dev), SIGDEV_ERR_STATE);
        device_leave(&w, &cam);
        world_close(&w);
    }
}

enum { SENDERS = 4, EACH = 100 };

static void *send_many(void *arg)
{
    long number = (long)(intptr_t)arg;
    char data[32];
    for (int i = 0; i < EACH; i++) {
        snprintf(data, sizeof data, "\"%ld/%d\"", number, i);
        while (sigdev_send_message(cam.dev, "tab", data) == SIGDEV_ERR_FULL)
            sched_yield();
        struct sigdev_stats stats;
        sigdev_get_stats(cam.dev, &stats);
        if (i % 10 == 0)
            sigdev_set_meta(cam.dev, "{\"name\":\"Busy\"}");
    }
    return NULL;
}

/* Several threads send at the same time; nothing is lost, each one's order is kept. */
static void test_many_threads(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        pthread_t threads[SENDERS];
        struct sigdev_config c;
        world_open(&w, NULL);
        device_config(&w, &cam, &c);
        c.queue_messages = SENDERS * EACH; /* in our loop nobody empties it meanwhile */
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("state online");
        for (long i = 0; i < SENDERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, send_many, (void *)(intptr_t)i), 0);
        for (int i = 0; i < SENDERS; i++)
            pthread_join(threads[i], NULL);
        for (int s = 0; s < SENDERS; s++) {
            w.seen.cursor = 0;
            for (int i = 0; i < EACH; i++) {
                char part[64];
                snprintf(part, sizeof part, "\"data\":\"%d/%d\"", s, i);
                hear(part);
            }
        }
        assert_int_equal(log_count(&w.seen, "\"type\":\"message\""), SENDERS * EACH);
        device_leave(&w, &cam);
        world_close(&w);
    }
}

/* A unix socket, and descriptors beyond what select() can watch. */
static void test_unix_socket_high_descriptors(void **state)
{
    (void)state;
    enum { MANY = 1100 };
    static int held[MANY];
    struct sigdev_config c;
    struct rlimit limit;
    char path[256];
    world_open(&w, "listener 0 @DIR@/broker.sock\nlistener @PORT@ 127.0.0.1\n"
                   "allow_anonymous true\n");
    observer_connect(&w, NULL, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 4 * MANY) {
        limit.rlim_cur = 4 * MANY;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    for (int i = 0; i < MANY; i++)
        held[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(held[MANY - 1] > 1024);
    snprintf(path, sizeof path, "%s", broker_path(&w.broker, "broker.sock"));
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        device_config(&w, &cam, &c);
        c.host = NULL;
        c.port = 0;
        c.unix_path = path;
        device_run(&w, &cam, (enum drive_way)way, &c);
        cam_gets("state online");
        say(INBOX("tab"), "{\"type\":\"message\",\"data\":1}");
        cam_gets("message from=tab");
        device_leave(&w, &cam);
    }
    for (int i = 0; i < MANY; i++)
        close(held[i]);
    world_close(&w);
}

static const struct config_row {
    const char *name;
    struct sigdev_config c;
    enum sigdev_error want;
    const char *field;
} config_rows[] = {
    {"no room", {.peer = "p"}, SIGDEV_ERR_ARGUMENT, "room"},
    {"bad peer", {.room = "r", .peer = "a b"}, SIGDEV_ERR_ARGUMENT, "peer"},
    {"the bridge's name", {.room = "r", .peer = "_bridge"}, SIGDEV_ERR_ARGUMENT, "peer"},
    {"wildcard", {.room = "r", .peer = "p", .prefix = "#"}, SIGDEV_ERR_ARGUMENT, "prefix"},
    {"unix and host",
     {.room = "r", .peer = "p", .unix_path = "/x", .host = "h"},
     SIGDEV_ERR_ARGUMENT,
     "unix_path"},
    {"password alone",
     {.room = "r", .peer = "p", .password = "x"},
     SIGDEV_ERR_ARGUMENT,
     "password"},
    {"keepalive", {.room = "r", .peer = "p", .keepalive_s = 4}, SIGDEV_ERR_ARGUMENT, "keepalive_s"},
    {"meta", {.room = "r", .peer = "p", .meta = "hello"}, SIGDEV_ERR_ARGUMENT, "meta"},
    {"ttl", {.room = "r", .peer = "p", .ttl_s = 1}, SIGDEV_ERR_ARGUMENT, "ttl_s"},
    {"ttl and none",
     {.room = "r", .peer = "p", .ttl_s = 60, .no_ttl = true},
     SIGDEV_ERR_ARGUMENT,
     "ttl_s"},
    {"ca without tls", {.room = "r", .peer = "p", .ca_file = "/x"}, SIGDEV_ERR_ARGUMENT, "tls"},
    {"ca unreadable",
     {.room = "r", .peer = "p", .tls = true, .ca_file = "/no/such/file"},
     SIGDEV_ERR_TLS,
     "ca_file"},
    {"key missing",
     {.room = "r", .peer = "p", .tls = true, .cert_file = "/dev/null"},
     SIGDEV_ERR_ARGUMENT,
     "cert_file"},
    {"backoff",
     {.room = "r", .peer = "p", .retry_min_ms = 10, .retry_max_ms = 5},
     SIGDEV_ERR_ARGUMENT,
     "retry_min_ms"},
    {"negative time", {.room = "r", .peer = "p", .queue_age_ms = -1}, SIGDEV_ERR_ARGUMENT, "times"},
    {"good", {.room = "r", .peer = "p"}, SIGDEV_OK, ""},
};

static void test_config(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof config_rows / sizeof *config_rows; i++) {
        const struct config_row *r = &config_rows[i];
        struct sigdev *dev;
        char why[100] = "";
        enum sigdev_error e = sigdev_create(&r->c, &dev, why, sizeof why);
        if (e != r->want || strncmp(why, r->field, strlen(r->field)) != 0 || !dev != (e != 0))
            fail_msg("%s: error %d, \"%s\"", r->name, e, why);
        if (dev) {
            assert_int_equal(sigdev_send_message(dev, "x", "1"), SIGDEV_ERR_STATE);
            assert_int_equal(sigdev_service(dev), SIGDEV_ERR_STATE);
            assert_int_equal(sigdev_stop(dev, 0), SIGDEV_ERR_STATE);
        }
        sigdev_destroy(dev);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_retained_message),
        cmocka_unit_test(test_will),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_undelivered),
        cmocka_unit_test(test_presence_forbidden),
        cmocka_unit_test(test_offline_queue),
        cmocka_unit_test(test_queue_bytes),
        cmocka_unit_test(test_queue_age),
        cmocka_unit_test(test_max_age),
        cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_two_devices),
        cmocka_unit_test(test_leave_in_callback),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_unix_socket_high_descriptors),
    };
    self_path = argv[0];
    if (argc == 3 && strcmp(argv[1], "device") == 0)
        return child_device(atoi(argv[2]));
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
