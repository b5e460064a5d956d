/* Memory runs out in base: a buffer is as it was and remembers that something did not fit, a map is
 * as it was and says so. */
#include "failing_memory.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/problem.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 200, KEY_MAX = 8 };

/* Pieces of growing length. After the failure nothing more is added, until it is cleared. */
static bool a_buffer_grows(void)
{
    char piece[512], expected[40000];
    struct buf b;
    size_t len = 0;
    bool well = true;
    memset(piece, 'x', sizeof piece);
    buf_init(&b, 32768);
    for (size_t i = 0; i < 100; i++) {
        size_t n = 1 + i * 3;
        bool was = buf_ok(&b);
        buf_add(&b, piece, n);
        if (buf_ok(&b)) {
            memset(expected + len, 'x', n);
            len += n;
        }
        HOLDS(was || !buf_ok(&b)); /* it remembers */
        well = well && buf_ok(&b);
        HOLDS(b.len == len && (len == 0 || memcmp(b.data, expected, len) == 0));
    }
    buf_clear(&b);
    HOLDS(buf_ok(&b) && b.len == 0);
    buf_str(&b, "again");
    HOLDS(strcmp(buf_cstr(&b), buf_ok(&b) ? "again" : "") == 0);
    well = well && buf_ok(&b);
    buf_release(&b);
    buf_release(&b); /* twice is fine */
    HOLDS(buf_ok(&b) && b.data == NULL);
    return well;
}

/* Each way of adding, to a buffer of nothing. */
static bool a_buffer_begins(void)
{
    bool well = true;
    for (int way = 0; way < 6; way++) {
        struct buf b;
        buf_init(&b, 4096);
        char *room = NULL;
        switch (way) {
        case 0:
            buf_char(&b, 'c');
            break;
        case 1:
            buf_str(&b, "text");
            break;
        case 2:
            buf_uint(&b, UINT64_MAX);
            break;
        case 3:
            buf_int(&b, INT64_MIN);
            break;
        case 4:
            room = buf_room(&b, 100);
            HOLDS((room != NULL) == buf_ok(&b));
            if (room)
                buf_added(&b, 1);
            if (room)
                *room = 'r';
            break;
        default:
            HOLDS(strcmp(buf_cstr(&b), "") == 0);
            break;
        }
        HOLDS(buf_ok(&b) || b.len == 0);
        HOLDS(strlen(buf_cstr(&b)) == b.len);
        well = well && buf_ok(&b);
        buf_release(&b);
    }
    return well;
}

static char keys[KEYS][KEY_MAX];

static bool all_there(const struct map *m, const bool in[KEYS])
{
    size_t count = 0, seen = 0, at = 0;
    for (size_t i = 0; i < KEYS; i++) {
        void *found = map_get(m, keys[i], strlen(keys[i]));
        if (found != (in[i] ? keys[i] : NULL))
            return false;
        count += in[i];
    }
    while (map_next(m, &at))
        seen++;
    return m->count == count && seen == count;
}

static bool a_map_grows_and_shrinks(void)
{
    struct map m;
    bool in[KEYS] = {false}, well = true;
    map_init(&m);
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(keys[i], KEY_MAX, "key-%zu", i);
        enum status s = map_put(&m, keys[i], strlen(keys[i]), keys[i]);
        HOLDS(s == STATUS_OK || s == STATUS_NO_MEMORY);
        in[i] = s == STATUS_OK;
        well = well && in[i];
        HOLDS(all_there(&m, in));
    }
    /* Removing needs no memory; where the smaller table cannot be had, it stays large. */
    for (size_t i = 0; i < KEYS; i++) {
        HOLDS(map_remove(&m, keys[i], strlen(keys[i])) == (in[i] ? keys[i] : NULL));
        in[i] = false;
        HOLDS(all_there(&m, in));
    }
    HOLDS(m.count == 0);
    map_release(&m);
    return well;
}

static bool sentences(void)
{
    struct problem why;
    enum status s = problem_set(&why, STATUS_NO_MEMORY, 3, "rule", "out of %s", "memory");
    HOLDS(s == STATUS_NO_MEMORY && strcmp(why.text, "out of memory") == 0 && why.line == 3);
    return true;
}

static void memory_runs_out(void **state)
{
    static const struct memory_story stories[] = {
        {"a buffer grows", a_buffer_grows, 0},
        {"a buffer begins", a_buffer_begins, 0},
        {"a map grows and shrinks", a_map_grows_and_shrinks, MEMORY_QUIET},
        {"sentences", sentences, MEMORY_NONE},
    };
    (void)state;
    memory_tell(stories, ROWS(stories));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
