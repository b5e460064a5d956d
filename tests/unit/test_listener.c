/* Listeners that share a port, in one process, with the kernel's own connections: what becomes of
 * those who connect while one of them stops. */
#include "test.h"

#include "io/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS = 64, /* that all of them reach the same one of two happens once in 2^63 runs */
    SETTLE_MS = 100,
    AGAIN_MS = 5000 /* a SYN that got no answer is sent again after 1 s */
};

static struct ev_loop *loop;
static int clients[CLIENTS], servers[CLIENTS]; /* the ends of the connections */
static int server_count;

/* arg: how many this listener has accepted. */
static void on_accepted(void *arg, int fd, const uint8_t ip[16])
{
    int *count = arg;
    (void)ip;
    ++*count;
    assert_true(server_count < CLIENTS);
    servers[server_count++] = fd;
}

static struct listener *start(int port, bool shared, int *accepted)
{
    struct listener_options o = {.host = "127.0.0.1", .shared = shared, .port = port};
    struct problem why;
    struct listener *l;
    *accepted = 0;
    if (listener_start(&l, loop, &o, on_accepted, accepted, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return l;
}

/* Returns how many have a connection so far. */
static int count_connected(void)
{
    int count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd p = {.fd = clients[i], .events = POLLOUT};
        char byte;
        if (poll(&p, 1, 0) != 1)
            continue;
        assert_int_equal(p.revents, POLLOUT); /* neither refused nor reset */
        assert_int_equal(recv(clients[i], &byte, 1, MSG_PEEK), -1);
        assert_int_equal(errno, EAGAIN);
        count++;
    }
    return count;
}

static void connect_all(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(clients[i] >= 0);
        if (connect(clients[i], (struct sockaddr *)&to, sizeof to) < 0)
            assert_int_equal(errno, EINPROGRESS);
    }
}

static void close_all(void)
{
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    while (server_count > 0)
        close(servers[--server_count]);
}

/* Lets the listeners accept, until all are connected or the time is over. */
static int run(int ms)
{
    for (int waited = 0; waited < ms && count_connected() < CLIENTS; waited += 10) {
        poll(NULL, 0, 10);
        ev_run(loop, EVRUN_NOWAIT);
    }
    poll(NULL, 0, 10); /* the last one's ACK */
    ev_run(loop, EVRUN_NOWAIT);
    return count_connected();
}

static void test_stop_accepts_what_has_connected(void **state)
{
    int first_got, second_got;
    struct listener *first = start(0, true, &first_got);
    struct listener *second = start(listener_port(first), true, &second_got);
    (void)state;
    connect_all(listener_port(first));
    poll(NULL, 0, SETTLE_MS);
    assert_int_equal(first_got + second_got, 0);
    listener_stop(first);
    assert_in_range(first_got, 1, CLIENTS - 1);
    assert_int_equal(run(SETTLE_MS), CLIENTS);
    assert_int_equal(first_got + second_got, CLIENTS);
    listener_stop(second);
    close_all();
}

static void test_who_comes_after_the_yield_gets_to_the_other(void **state)
{
    int first_got, second_got;
    struct listener *first = start(0, true, &first_got);
    struct listener *second = start(listener_port(first), true, &second_got);
    (void)state;
    listener_yield(first);
    connect_all(listener_port(first));
    int at_once = run(SETTLE_MS);
    assert_in_range(at_once, 1, CLIENTS - 1);
    assert_int_equal(first_got, 0);
    listener_stop(first);
    assert_int_equal(run(AGAIN_MS), CLIENTS);
    assert_int_equal(first_got, 0);
    assert_int_equal(second_got, CLIENTS);
    listener_stop(second);
    close_all();
}

static void test_yield_without_sharing_changes_nothing(void **state)
{
    int got;
    struct listener *l = start(0, false, &got);
    (void)state;
    listener_yield(l);
    connect_all(listener_port(l));
    assert_int_equal(run(SETTLE_MS), CLIENTS);
    assert_int_equal(got, CLIENTS);
    listener_stop(l);
    close_all();
}

static void test_who_may_not_share(void **state)
{
    static const struct {
        const char *name;
        bool first, second;
        const char *says;
    } rows[] = {
        {"neither does", false, false, "bridges share one with --listen-shared each"},
        {"only the first does", true, false, "bridges share one with --listen-shared each"},
        {"only the second does", false, true, "another program that does not share it"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        int got;
        struct listener *l = start(0, rows[i].first, &got), *other;
        struct listener_options o = {
            .host = "127.0.0.1", .shared = rows[i].second, .port = listener_port(l)};
        struct problem why;
        ROW(rows[i].name, listener_start(&other, loop, &o, on_accepted, &got, &why) == STATUS_IO);
        ROW(rows[i].name, strstr(why.text, rows[i].says) != NULL);
        ROW(rows[i].name, strlen(why.text) < PROBLEM_TEXT_MAX - 40); /* an IPv6 address fits, too */
        listener_stop(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_accepts_what_has_connected),
        cmocka_unit_test(test_who_comes_after_the_yield_gets_to_the_other),
        cmocka_unit_test(test_yield_without_sharing_changes_nothing),
        cmocka_unit_test(test_who_may_not_share),
    };
    loop = ev_default_loop(EVFLAG_AUTO);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ev_loop_destroy(loop);
    return failed;
}
