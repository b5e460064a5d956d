/* The data directory is made, held by one at a time, and keeps the bridge's name. */
#include "config/data_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/sigbridge-data-XXXXXX";
static char dir[64], parent[64], path[96];

static void write_id(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_made_and_locked(void **state)
{
    struct problem why;
    struct stat st;
    int first = -1, second = -1;
    (void)state;
    assert_int_equal(data_dir_open(dir, &first, &why), STATUS_OK);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(data_dir_open(dir, &second, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "another bridge runs with the data directory"));
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(data_dir_open(dir, &second, &why), STATUS_OK);
    close(second);
}

static void test_not_a_directory(void **state)
{
    struct problem why;
    int lock = -1;
    (void)state;
    assert_int_equal(data_dir_open("/dev/null/x", &lock, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "cannot make the data directory /dev/null/x"));
    assert_non_null(strstr(why.text, "--data"));
    assert_int_equal(data_dir_open("/proc", &lock, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "cannot write to the data directory /proc"));
    assert_int_equal(lock, -1);
}

static void test_name_stays(void **state)
{
    struct problem why;
    char first[NAME_MAX_BYTES + 1], second[NAME_MAX_BYTES + 1];
    (void)state;
    assert_int_equal(data_dir_bridge_id(dir, first, &why), STATUS_OK);
    assert_true(name_ok(first, strlen(first)));
    assert_int_equal(strlen(first), strlen("bridge-12345678"));
    assert_memory_equal(first, "bridge-", 7);
    assert_int_equal(data_dir_bridge_id(dir, second, &why), STATUS_OK);
    assert_string_equal(first, second);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(data_dir_bridge_id(dir, second, &why), STATUS_OK);
    assert_string_not_equal(first, second);
}

static void test_name_by_hand(void **state)
{
    static const struct {
        const char *name, *text, *id; /* NULL: refused */
    } rows[] = {
        {"plain", "cam-house", "cam-house"},
        {"with a line end", "b.1\n", "b.1"},
        {"DOS line end", "b~2\r\n", "b~2"},
        {"empty", "", NULL},
        {"slash", "a/b\n", NULL},
        {"the bridges' own", "_bridge\n", NULL},
        {"space", "a b\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct problem why;
        char id[NAME_MAX_BYTES + 1] = "";
        print_message("%s\n", rows[i].name);
        write_id(rows[i].text);
        enum status status = data_dir_bridge_id(dir, id, &why);
        assert_int_equal(status, rows[i].id ? STATUS_OK : STATUS_IO);
        if (rows[i].id)
            assert_string_equal(id, rows[i].id);
        else
            assert_non_null(strstr(why.text, "holds no valid name"));
    }
}

static int make_root(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    snprintf(parent, sizeof parent, "%s/a", root);
    snprintf(dir, sizeof dir, "%s/a/b", root);
    snprintf(path, sizeof path, "%s/bridge-id", dir);
    return 0;
}

static int remove_root(void **state)
{
    char lock[96];
    (void)state;
    snprintf(lock, sizeof lock, "%s/lock", dir);
    unlink(path);
    unlink(lock);
    return rmdir(dir) || rmdir(parent) || rmdir(root) ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_and_locked),
        cmocka_unit_test(test_not_a_directory),
        cmocka_unit_test(test_name_stays),
        cmocka_unit_test(test_name_by_hand),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
