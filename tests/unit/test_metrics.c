#include "core/metrics.h"
#include "test.h"

#include <string.h>

static void a_duration_falls_into_its_bucket(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t us;
        const char *first; /* the smallest bucket that counts it */
    } rows[] = {
        {"nothing", 0, "le=\"0.0001\"} 1"},        {"at the bound", 100, "le=\"0.0001\"} 1"},
        {"above it", 101, "le=\"0.0001\"} 0"},     {"one millisecond", 1000, "le=\"0.001\"} 1"},
        {"ten seconds", 10000000, "le=\"10\"} 1"}, {"longer", 10000001, "le=\"10\"} 0"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct metrics m = {0};
        struct buf b;
        buf_init(&b, 65536);
        metrics_puback(&m, rows[i].us);
        metrics_put(&m, &b);
        const char *text = buf_cstr(&b);
        ROW(rows[i].name, strstr(text, rows[i].first));
        ROW(rows[i].name, strstr(text, "le=\"+Inf\"} 1\n"));
        ROW(rows[i].name, strstr(text, "sigbridge_puback_seconds_count 1\n"));
        buf_release(&b);
    }
}

static void what_never_happened_is_not_listed(void **state)
{
    (void)state;
    struct metrics m = {0};
    struct buf b;
    buf_init(&b, 65536);
    m.received[FROM_WS][MSG_OFFER] = 3;
    m.refused[FROM_MQTT][STATUS_INVALID_SDP] = 2;
    metrics_put(&m, &b);
    const char *text = buf_cstr(&b);
    assert_non_null(
        strstr(text, "sigbridge_messages_received_total{from=\"websocket\",type=\"offer\"} 3\n"));
    assert_non_null(
        strstr(text, "sigbridge_messages_refused_total{from=\"mqtt\",error=\"invalid-sdp\"} 2\n"));
    assert_null(strstr(text, "type=\"answer\""));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_falls_into_its_bucket),
        cmocka_unit_test(what_never_happened_is_not_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
