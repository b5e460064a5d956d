/* The adapter in trouble: brokers that misbehave, TLS that does not fit, a frozen broker. Each
 * fault must be named, must not spin, and must not keep the device from coming back. */
#include "test_device_fake.h"
#include "test_device_world.h"

#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct world w;
static struct device cam, other;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct fault_row {
    const char *name;
    enum fault fault;
    bool v5;
    const char *want;
} fault_rows[] = {
    {"connect hangs", FAULT_FULL, true, "state waiting error=15 text=no connection in time"},
    {"no CONNACK", FAULT_SILENT, true, "state waiting error=15 text=no connection in time"},
    {"closes", FAULT_CLOSES, true,
     "state waiting error=15 text=the broker closed the connection before it had answered"},
    {"closes, 3.1.1", FAULT_CLOSES, false,
     "state waiting error=15 text=the broker closed the connection before it had answered"},
    {"not MQTT", FAULT_GARBAGE, true, "state waiting error=15 text="},
    {"no SUBACK", FAULT_NO_SUBACK, true,
     "state waiting error=15 text=the broker did not acknowledge subscription"},
    {"inbox refused", FAULT_REFUSES_INBOX, true,
     "state waiting error=12 text=the broker does not let us subscribe to our inbox"},
    {"inbox refused, 3.1.1", FAULT_REFUSES_INBOX, false,
     "state waiting error=12 text=the broker does not let us subscribe to our inbox"},
    {"presence of others refused", FAULT_REFUSES_SECOND, true,
     "state waiting error=12 text=the broker does not let us subscribe to the presence"},
    {"presence of others refused, 3.1.1", FAULT_REFUSES_SECOND, false,
     "state waiting error=12 text=the broker does not let us subscribe to the presence"},
    {"no PUBACK for the presence", FAULT_NO_PUBACK, true,
     "state waiting error=15 text=the broker did not acknowledge subscription and presence"},
    {"thrown out", FAULT_DISCONNECTS, true,
     "state waiting error=18 text=another connection has taken over our client id"},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fault_rows / sizeof *fault_rows; i++) {
        const struct fault_row *r = &fault_rows[i];
        struct sigdev_config c;
        struct fake fake;
        fake_start(&fake, r->fault, r->v5, NULL, NULL);
        memset(&w.broker, 0, sizeof w.broker);
        w.broker.port = fake.port;
        device_config(&w, &cam, &c);
        c.handshake_ms = 300;
        c.retry_min_ms = 300;
        c.retry_max_ms = 300;
        c.watch_presence = true;
        c.mqtt = r->v5 ? SIGDEV_MQTT_5 : SIGDEV_MQTT_311;
        w.services = 0;
        device_run(&w, &cam, OUR_LOOP, &c);
        print_message("  %s\n", r->name);
        expect(&w, &cam.log, r->want);
        expect(&w, &cam.log, "state connecting"); /* and tries again */
        if (w.services > 40)
            fail_msg("%s: %u calls of sigdev_service()", r->name, w.services);
        device_destroy(&w, &cam);
        fake_stop(&fake);
    }
}

/* A broker that takes small packets only: what is larger is reported, what fits goes. */
static void test_packet_limit(void **state)
{
    (void)state;
    struct sigdev_config c;
    struct fake fake;
    char sdp[2000];
    memset(sdp, 'a', sizeof sdp - 1);
    sdp[sizeof sdp - 1] = '\0';
    fake_start(&fake, FAULT_SMALL_PACKETS, true, NULL, NULL);
    w.broker.port = fake.port;
    device_config(&w, &cam, &c);
    device_run(&w, &cam, OWN_THREAD, &c);
    expect(&w, &cam.log, "state online");
    assert_int_equal(sigdev_send_offer(cam.dev, "tab", NULL, sdp), SIGDEV_OK);
    expect(&w, &cam.log, "undelivered to=tab type=offer id= error=7");
    assert_int_equal(sigdev_send_bye(cam.dev, "tab", NULL, NULL), SIGDEV_OK);
    device_leave(&w, &cam); /* which waits for the bye to be acknowledged */
    fake_stop(&fake);
}

/* The pause doubles up to its bound; half of it is chance. */
static void test_backoff(void **state)
{
    static const int64_t bases[] = {20, 40, 80, 160, 160, 160};
    enum { COUNT = sizeof bases / sizeof *bases };
    struct sigdev_config c;
    struct fake fake;
    (void)state;
    fake_start(&fake, FAULT_CLOSES, true, NULL, NULL);
    w.broker.port = fake.port;
    device_config(&w, &cam, &c);
    c.retry_min_ms = 20;
    c.retry_max_ms = 160;
    device_run(&w, &cam, OUR_LOOP, &c);
    for (int i = 0; i < COUNT; i++) {
        int64_t began = now();
        expect(&w, &cam.log, "state waiting");
        assert_in_range(cam.retry_ms[i], bases[i] / 2, bases[i]);
        if (i > 0) /* and it does wait */
            assert_true(now() - began >= cam.retry_ms[i - 1] - 1);
    }
    device_destroy(&w, &cam);
    fake_stop(&fake);
}

/* What was not acknowledged when the connection broke is sent again. */
static void test_sent_again(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        struct sigdev_stats stats;
        struct fake fake;
        fake_start(&fake, FAULT_LOSES_ONE, way == OWN_THREAD, NULL, NULL);
        w.broker.port = fake.port;
        device_config(&w, &cam, &c);
        c.mqtt = way == OWN_THREAD ? SIGDEV_MQTT_5 : SIGDEV_MQTT_311;
        device_run(&w, &cam, (enum drive_way)way, &c);
        expect(&w, &cam.log, "state online");
        assert_int_equal(sigdev_send_bye(cam.dev, "tab", NULL, NULL), SIGDEV_OK);
        expect(&w, &cam.log, "state waiting error=15");
        sigdev_get_stats(cam.dev, &stats);
        assert_int_equal(stats.sent, 0);
        expect(&w, &cam.log, "state online");
        stats = await_acknowledged(&w, &cam);
        assert_int_equal(stats.sent, 1);
        assert_int_equal(stats.undelivered, 0);
        device_leave(&w, &cam);
        fake_stop(&fake);
    }
}

/* Leaving does not wait longer than it was told. */
static void test_leave_in_time(void **state)
{
    (void)state;
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        struct fake fake;
        fake_start(&fake, FAULT_NO_GOODBYE, true, NULL, NULL);
        w.broker.port = fake.port;
        device_config(&w, &cam, &c);
        device_run(&w, &cam, (enum drive_way)way, &c);
        expect(&w, &cam.log, "state online");
        int64_t began = now();
        if (way == OWN_THREAD)
            assert_int_equal(sigdev_stop(cam.dev, 200), SIGDEV_ERR_UNREACHABLE);
        else
            assert_int_equal(sigdev_leave(cam.dev, 200), SIGDEV_OK);
        expect(&w, &cam.log, "state stopped error=15 text=the broker did not acknowledge in time");
        assert_true(now() - began >= 200);
        device_destroy(&w, &cam);
        fake_stop(&fake);
    }
}

/* A broker that stops answering is noticed by the keepalive. */
static void test_frozen_broker(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.keepalive_s = 5;
    device_run(&w, &cam, OUR_LOOP, &c);
    expect(&w, &cam.log, "state online");
    kill(w.broker.pid, SIGSTOP);
    expect(&w, &cam.log, "state waiting error=15 text=the broker has stopped answering");
    kill(w.broker.pid, SIGCONT);
    expect(&w, &cam.log, "state online");
    device_leave(&w, &cam);
    world_close(&w);
}

/* Two with one name throw each other out; when one is gone, the other is present again. */
static void test_same_name_twice(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    device_run(&w, &cam, OUR_LOOP, &c);
    expect(&w, &cam.log, "state online");
    device_config(&w, &other, &c);
    device_run(&w, &other, OWN_THREAD, &c);
    expect(&w, &cam.log, "state waiting error=15");
    expect(&w, &other.log, "state online");
    device_destroy(&w, &other);
    expect(&w, &cam.log, "state online");
    w.seen.cursor = 0;
    observer_disconnect(&w);
    observer_connect(&w, NULL, NULL); /* gets what is retained */
    expect(&w, &w.seen, "p/rooms/r/peers/cam/presence {");
    device_leave(&w, &cam);
    world_close(&w);
}

/* A name with addresses of both families, of which the broker has one. */
static void test_host_name(void **state)
{
    (void)state;
    struct sigdev_config c;
    world_open(&w, NULL);
    device_config(&w, &cam, &c);
    c.host = NULL; /* localhost */
    device_run(&w, &cam, OUR_LOOP, &c);
    for (int i = 0; i < 2; i++) {
        expect(&w, &cam.log, "state online");
        observer_disconnect(&w);
        broker_kill(&w.broker);
        for (int failures = 0; failures < 4; failures++)
            expect(&w, &cam.log, "state waiting error=15");
        broker_start(&w.broker);
    }
    expect(&w, &cam.log, "state online");
    device_destroy(&w, &cam);
    device_config(&w, &cam, &c);
    c.host = "no-such-host.invalid";
    device_run(&w, &cam, OWN_THREAD, &c);
    expect(&w, &cam.log, "state waiting error=15 text=cannot look up no-such-host.invalid");
    device_destroy(&w, &cam);
    world_close(&w);
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static void sign(const char *name, const char *extra)
{
    char line[512];
    snprintf(line, sizeof line,
             OPENSSL " req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key "
                     "-out %s.csr -subj /CN=%s && printf '%s' > %s.ext && " OPENSSL
                     " x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
                     "-extfile %s.ext -out %s.pem",
             name, name, name, extra, name, name, name, name);
    run_in(&w.broker, line);
}

static void make_ca(const char *name)
{
    char line[256];
    snprintf(line, sizeof line,
             OPENSSL " req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                     "-keyout %s.key -out %s.pem -subj /CN=%s",
             name, name, name);
    run_in(&w.broker, line);
}

/* Three TLS listeners beside the plain one: good, for another host name, asking for a certificate.
 * Their ports are neighbours that the system gave us one by one. */
static int tls_port, misnamed_port, asking_port;

static void open_tls_world(void)
{
    struct broker spare[3];
    int *ports[] = {&tls_port, &misnamed_port, &asking_port};
    char conf[1024];
    for (int i = 0; i < 3; i++) {
        broker_prepare(&spare[i], NULL);
        *ports[i] = spare[i].port;
    }
    for (int i = 0; i < 3; i++)
        broker_release(&spare[i]);
    snprintf(conf, sizeof conf,
             "allow_anonymous true\nlistener @PORT@ 127.0.0.1\n"
             "listener %d 127.0.0.1\ncertfile @DIR@/good.pem\nkeyfile @DIR@/good.key\n"
             "listener %d 127.0.0.1\ncertfile @DIR@/elsewhere.pem\nkeyfile @DIR@/elsewhere.key\n"
             "listener %d 127.0.0.1\ncertfile @DIR@/good.pem\nkeyfile @DIR@/good.key\n"
             "cafile @DIR@/ca.pem\nrequire_certificate true\nuse_identity_as_username true\n",
             tls_port, misnamed_port, asking_port);
    memset(&w, 0, sizeof w);
    log_init(&w.seen);
    broker_prepare(&w.broker, conf);
    make_ca("ca");
    make_ca("stranger");
    sign("good", "subjectAltName=IP:127.0.0.1");
    sign("elsewhere", "subjectAltName=DNS:elsewhere.example");
    sign("cam", "extendedKeyUsage=clientAuth");
    mosquitto_lib_init();
    broker_start(&w.broker);
    observer_connect(&w, NULL, NULL);
}

static const struct tls_row {
    const char *name;
    int *port; /* NULL: the plain one */
    const char *ca;
    bool certificate, any_host;
    bool plain; /* the device speaks no TLS */
    const char *want;
} tls_rows[] = {
    {"good", &tls_port, "ca.pem", false, false, false, "state online"},
    {"unknown CA", &tls_port, "stranger.pem", false, false, false,
     "state waiting error=14 text=OpenSSL Error[0]: error:"},
    {"system's CAs", &tls_port, NULL, false, false, false,
     "state waiting error=14 text=OpenSSL Error[0]: error:"},
    {"certificate of another host", &misnamed_port, "ca.pem", false, false, false,
     "state waiting error=14 text=Error: host name verification failed"},
    {"another host, allowed", &misnamed_port, "ca.pem", false, true, false, "state online"},
    {"our certificate", &asking_port, "ca.pem", true, false, false, "state online"},
    {"our certificate missing", &asking_port, "ca.pem", false, false, false,
     "state waiting error=14"},
    {"TLS to a plain port", NULL, "ca.pem", false, false, false, "state waiting error=14"},
    {"plain to a TLS port", &tls_port, NULL, false, false, true, "state waiting error=15"},
};

static void test_tls(void **state)
{
    (void)state;
    open_tls_world();
    for (size_t i = 0; i < sizeof tls_rows / sizeof *tls_rows; i++) {
        const struct tls_row *r = &tls_rows[i];
        struct sigdev_config c;
        char ca[256], cert[256], key[256];
        print_message("  %s\n", r->name);
        device_config(&w, &cam, &c);
        snprintf(ca, sizeof ca, "%s", broker_path(&w.broker, r->ca ? r->ca : ""));
        snprintf(cert, sizeof cert, "%s", broker_path(&w.broker, "cam.pem"));
        snprintf(key, sizeof key, "%s", broker_path(&w.broker, "cam.key"));
        if (r->port)
            c.port = (uint16_t)*r->port;
        c.tls = !r->plain;
        c.ca_file = r->ca ? ca : NULL;
        c.cert_file = r->certificate ? cert : NULL;
        c.key_file = r->certificate ? key : NULL;
        c.tls_any_host_name = r->any_host;
        c.retry_min_ms = c.retry_max_ms = 300;
        w.services = 0;
        device_run(&w, &cam, i % 2 ? OWN_THREAD : OUR_LOOP, &c);
        expect(&w, &cam.log, r->want);
        if (w.services > 40)
            fail_msg("%s: %u calls of sigdev_service()", r->name, w.services);
        device_destroy(&w, &cam);
    }
    world_close(&w);
}

/* Many packets in few TLS records: OpenSSL holds them, the socket knows nothing of them. */
static void test_tls_burst(void **state)
{
    (void)state;
    enum { BURST = 300 };
    struct sigdev_config c;
    char ca[256], text[128];
    open_tls_world();
    snprintf(ca, sizeof ca, "%s", broker_path(&w.broker, "ca.pem"));
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        device_config(&w, &cam, &c);
        c.port = (uint16_t)tls_port;
        c.tls = true;
        c.ca_file = ca;
        cam.auto_answer = true;
        c.queue_messages = 4 * BURST;
        device_run(&w, &cam, (enum drive_way)way, &c);
        expect(&w, &cam.log, "state online");
        for (int i = 0; i < BURST; i++) {
            snprintf(text, sizeof text, "{\"type\":\"offer\",\"call\":\"%d\",\"sdp\":\"v=0\"}", i);
            int rc = mosquitto_publish(w.observer, NULL, "p/rooms/r/peers/cam/in/tab",
                                       (int)strlen(text), text, 0, false);
            assert_int_equal(rc, MOSQ_ERR_SUCCESS);
        }
        for (int i = 0; i < BURST; i++) {
            snprintf(text, sizeof text, "offer from=tab call=%d sdp", i);
            expect(&w, &cam.log, text);
        }
        snprintf(text, sizeof text, "\"candidate\":null,\"call\":\"%d\"", BURST - 1);
        expect(&w, &w.seen, text);
        device_leave(&w, &cam);
        w.seen.count = w.seen.cursor = 0;
    }
    world_close(&w);
}

static void tls_config(struct sigdev_config *c, const struct fake *fake, char ca[256])
{
    device_config(&w, &cam, c);
    snprintf(ca, 256, "%s", broker_path(&w.broker, "ca.pem"));
    c->port = (uint16_t)fake->port;
    c->tls = true;
    c->ca_file = ca;
    c->retry_min_ms = c->retry_max_ms = 300;
}

static void start_tls_fake(struct fake *fake, enum fault fault)
{
    char cert[256], key[256];
    snprintf(cert, sizeof cert, "%s", broker_path(&w.broker, "good.pem"));
    snprintf(key, sizeof key, "%s", broker_path(&w.broker, "good.key"));
    fake_start(fake, fault, true, cert, key);
}

/* All packets of a TLS record are taken at once: the socket does not become readable for the second
 * one. */
static void test_tls_one_record(void **state)
{
    (void)state;
    open_tls_world();
    for (int way = OWN_THREAD; way <= OUR_LOOP; way++) {
        struct sigdev_config c;
        struct fake fake;
        char text[64], ca[256];
        start_tls_fake(&fake, FAULT_ONE_RECORD);
        tls_config(&c, &fake, ca);
        device_run(&w, &cam, (enum drive_way)way, &c);
        for (int i = 0; i < FAKE_BURST; i++) {
            snprintf(text, sizeof text, "offer from=tab call=%d sdp", i);
            expect(&w, &cam.log, text);
        }
        device_destroy(&w, &cam);
        fake_stop(&fake);
    }
    world_close(&w);
}

/* A reset in the middle of the handshake is noticed by itself, long before the handshake's
 * deadline. */
static void test_tls_reset(void **state)
{
    (void)state;
    struct sigdev_config c;
    struct fake fake;
    char ca[256];
    open_tls_world();
    start_tls_fake(&fake, FAULT_RESETS);
    tls_config(&c, &fake, ca);
    c.handshake_ms = 600000;
    device_run(&w, &cam, OUR_LOOP, &c);
    expect(&w, &cam.log, "state waiting error=14 text="); /* OpenSSL may have words of its own */
    assert_in_range(w.services, 0, 40);
    device_destroy(&w, &cam);
    fake_stop(&fake);
    world_close(&w);
}

/* A connection that takes a while to come about, and then a handshake that nobody answers: waiting
 * costs nothing. */
static void test_tls_slow_connect(void **state)
{
    (void)state;
    struct sigdev_config c;
    struct fake fake;
    char ca[256];
    open_tls_world();
    start_tls_fake(&fake, FAULT_FULL);
    tls_config(&c, &fake, ca);
    c.handshake_ms = 2500; /* the system repeats the SYN after one second */
    device_run(&w, &cam, OUR_LOOP, &c);
    expect(&w, &cam.log, "state connecting");
    fake_make_room(&fake);
    expect(&w, &cam.log, "state waiting error=15 text=no connection in time");
    assert_in_range(w.services, 0, 40);
    device_destroy(&w, &cam);
    fake_stop(&fake);
    world_close(&w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),        cmocka_unit_test(test_packet_limit),
        cmocka_unit_test(test_sent_again),    cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_leave_in_time), cmocka_unit_test(test_same_name_twice),
        cmocka_unit_test(test_host_name),     cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_burst),     cmocka_unit_test(test_tls_one_record),
        cmocka_unit_test(test_tls_reset),     cmocka_unit_test(test_tls_slow_connect),
        cmocka_unit_test(test_frozen_broker),
    };
    log_init(&w.seen);
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
