/* Who may log in at the broker: the ACL file as a record, the password file, the secrets, and the
 * store that changes both. */
#include "test.h"

#include "io/device_acl.h"
#include "io/device_passwd.h"
#include "io/device_secret.h"
#include "io/device_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "sigbridge/v1";

static void add(struct device_list *l, const char *name, bool watch, const char *const *rooms)
{
    struct device *d = device_list_add(l, name);
    assert_non_null(d);
    d->watch = watch;
    for (; *rooms; rooms++)
        assert_true(device_add_room(d, *rooms));
}

static void put_some(struct buf *b)
{
    struct device_list l = {.kind = DEVICE_KIND_DEVICE};
    add(&l, "cam2", true, (const char *[]){"yard", "hall", NULL});
    add(&l, "cam1", false, (const char *[]){"*", NULL});
    add(&l, "none", false, (const char *[]){NULL});
    buf_init(b, DEVICE_FILE_MAX);
    device_acl_put(b, &l, prefix);
    assert_true(buf_ok(b));
    device_list_release(&l);
}

/* What is written is read as it was, and written again as it was. */
static void test_round_trip(void **state)
{
    (void)state;
    struct buf b, again;
    struct device_list l = {.kind = DEVICE_KIND_DEVICE};
    struct problem why = {0};
    put_some(&b);
    assert_int_equal(device_acl_parse(&l, DEVICE_KIND_DEVICE, prefix, text_of(b.data, b.len), &why),
                     STATUS_OK);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.items[0].name, "cam1");
    assert_string_equal(l.items[0].rooms[0], "*");
    assert_string_equal(l.items[1].rooms[1], "hall");
    assert_true(l.items[1].watch);
    assert_int_equal(l.items[2].room_count, 0);
    buf_init(&again, DEVICE_FILE_MAX);
    device_acl_put(&again, &l, prefix);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    buf_release(&again);
    buf_release(&b);
    device_list_release(&l);
}

/* Every byte changed, every byte missing, every length: either it is refused with a line that
 * exists, or what is written instead says the same. */
static void check_change(const struct buf *file, size_t at, int byte)
{
    struct device_list l = {.kind = DEVICE_KIND_DEVICE};
    struct problem why = {0};
    struct buf again;
    enum status status =
        device_acl_parse(&l, DEVICE_KIND_DEVICE, prefix, text_of(file->data, file->len), &why);
    if (status == STATUS_OK && file->len > 0) {
        buf_init(&again, DEVICE_FILE_MAX);
        device_acl_put(&again, &l, prefix);
        if (again.len != file->len || memcmp(again.data, file->data, file->len) != 0) {
            /* A CR before a line's end, or users in another order: nothing is lost. */
            if (byte != '\r' && byte != 'z')
                fail_msg("byte %zu as %d: something was lost", at, byte);
        }
        buf_release(&again);
    } else if (status != STATUS_OK &&
               (why.line == 0 || why.line > 30 || !strstr(why.text, "line"))) {
        fail_msg("byte %zu as %d: %s", at, byte, why.text);
    }
    device_list_release(&l);
}

static void test_every_change(void **state)
{
    (void)state;
    static const int bytes[] = {0, '\n', '\r', ' ', '#', '+', '/', 'z', 0xff};
    struct buf b;
    put_some(&b);
    for (size_t at = 0; at < b.len; at++) {
        char kept = b.data[at];
        for (size_t k = 0; k < ROWS(bytes); k++) {
            b.data[at] = (char)bytes[k];
            if (b.data[at] != kept)
                check_change(&b, at, bytes[k]);
        }
        b.data[at] = kept;
        size_t len = b.len;
        b.len = at;
        /* A file that ends behind a room's lines is a whole one. */
        check_change(&b, at, 'z');
        b.len = len;
    }
    buf_release(&b);
}

static const struct {
    const char *name;
    const char *file;
    unsigned line; /* 0: good */
} files[] = {
    {"nothing", "", 0},
    {"no head", "user cam1\n", 1},
    {"the head of bridges",
     "# Bridges, kept by `sigbridge device`: change them with that command.\n", 1},
#define HEAD                                                                                       \
    "# Devices and their rooms, kept by `sigbridge device`: change them with that command.\n"      \
    "# Format 1. Prefix: sigbridge/v1\n"
    {"nobody", HEAD, 0},
    {"no prefix",
     "# Devices and their rooms, kept by `sigbridge device`: change them with that command.\n", 2},
    {"a user without an empty line before", HEAD "user cam1\n", 3},
    {"a user without rooms", HEAD "\nuser cam1\n", 0},
    {"the bridge as a device", HEAD "\nuser _bridge\n", 4},
    {"a name that is none", HEAD "\nuser cam/1\n", 4},
    {"an anonymous right", HEAD "\ntopic read #\n", 4},
    {"two users of one name", HEAD "\nuser cam1\n\nuser cam1\n", 6},
    {"users in another order", HEAD "\nuser cam2\n\nuser cam1\n", 0},
};

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(files); i++) {
        struct device_list l = {.kind = DEVICE_KIND_DEVICE};
        struct problem why = {0};
        enum status status =
            device_acl_parse(&l, DEVICE_KIND_DEVICE, prefix, text_of_str(files[i].file), &why);
        ROW(files[i].name, (status == STATUS_OK) == (files[i].line == 0));
        ROW(files[i].name, status == STATUS_OK || why.line == files[i].line);
        device_list_release(&l);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct device_list l = {.kind = DEVICE_KIND_DEVICE};
    char name[16];
    for (int i = 0; i < DEVICES_MAX; i++) {
        snprintf(name, sizeof name, "cam%d", i);
        assert_non_null(device_list_add(&l, name));
    }
    assert_null(device_list_add(&l, "more"));
    assert_null(device_list_add(&l, "cam7"));
    struct device *d = device_list_find(&l, "cam4711");
    for (int i = 0; i < DEVICE_ROOMS_MAX; i++) {
        snprintf(name, sizeof name, "room%d", i);
        assert_true(device_add_room(d, name));
    }
    assert_true(device_add_room(d, "room7")); /* it is there */
    assert_false(device_add_room(d, "more"));
    device_list_remove(&l, d);
    assert_null(device_list_find(&l, "cam4711"));
    assert_non_null(device_list_find(&l, "cam4712"));
    assert_int_equal(l.count, DEVICES_MAX - 1);
    device_list_release(&l);
}

static const struct {
    const char *name;
    const char *file, *user, *hash, *after;
} passwords[] = {
    {"the first", "", "cam1", "H", "cam1:H\n"},
    {"one more", "a:1\n", "cam1", "H", "a:1\ncam1:H\n"},
    {"another hash", "a:1\ncam1:x\nb:2\n", "cam1", "H", "a:1\ncam1:H\nb:2\n"},
    {"taken away", "a:1\ncam1:x\nb:2\n", "cam1", NULL, "a:1\nb:2\n"},
    {"taken away, not there", "a:1\n", "cam1", NULL, "a:1\n"},
    {"a name that begins the same", "cam10:1\ncam:2\n", "cam1", "H", "cam10:1\ncam:2\ncam1:H\n"},
    {"twice there", "cam1:x\ncam1:y\n", "cam1", "H", "cam1:H\n"},
    {"no end of the last line", "a:1", "cam1", "H", "a:1\ncam1:H\n"},
};

static void test_passwords(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS(passwords); i++) {
        struct buf b;
        buf_init(&b, 1024);
        device_passwd_put(&b, text_of_str(passwords[i].file), passwords[i].user, passwords[i].hash);
        ROW(passwords[i].name, strcmp(buf_cstr(&b), passwords[i].after) == 0);
        ROW(passwords[i].name, device_passwd_has(text_of(b.data, b.len), passwords[i].user) ==
                                   (passwords[i].hash != NULL));
        buf_release(&b);
    }
}

/* "$7$101$salt$hash": the hash is that of the secret with this salt, and no two are alike. */
static void test_secrets(void **state)
{
    (void)state;
    char secret[DEVICE_SECRET_CHARS + 1], other[DEVICE_SECRET_CHARS + 1];
    char hash[DEVICE_HASH_MAX], again[DEVICE_HASH_MAX];
    unsigned char salt[16], wanted[64], got[72];
    device_secret_make(secret);
    device_secret_make(other);
    assert_int_equal(strspn(secret, "0123456789abcdef"), DEVICE_SECRET_CHARS);
    assert_string_not_equal(secret, other);
    assert_true(device_secret_hash(secret, hash));
    assert_true(device_secret_hash(secret, again));
    assert_string_not_equal(hash, again);
    assert_memory_equal(hash, "$7$101$", 7);
    assert_int_equal(strlen(hash), 7 + 16 + 1 + 88);
    assert_int_equal(EVP_DecodeBlock(salt, (unsigned char *)hash + 7, 16), 12);
    assert_int_equal(EVP_DecodeBlock(got, (unsigned char *)hash + 24, 88), 66);
    assert_int_equal(PKCS5_PBKDF2_HMAC(secret, DEVICE_SECRET_CHARS, salt, 12, 101, EVP_sha512(),
                                       sizeof wanted, wanted),
                     1);
    assert_memory_equal(got, wanted, sizeof wanted);
}

/* ---- the store ---- */

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sigbridge-accounts-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(dir);
}

static void test_store(void **state)
{
    (void)state;
    struct device_place place = {dir, DEVICE_ACL, DEVICE_PASSWD, DEVICE_LOCK, DEVICE_KIND_DEVICE};
    struct device_store s, second;
    struct problem why = {0};
    assert_int_equal(device_store_open(&s, &place, prefix, true, &why), STATUS_OK);
    assert_non_null(device_list_add(&s.list, "cam1"));
    assert_true(device_store_set_password(&s, "cam1", "$7$"));
    /* Whoever reads only does not wait; who wants the lock gets none. */
    assert_int_equal(device_store_open(&second, &place, prefix, false, &why), STATUS_OK);
    assert_int_equal(second.list.count, 0);
    device_store_close(&second);
    assert_int_equal(device_lock_take(s.dir_fd, DEVICE_LOCK, 0), -1);
    assert_int_equal(device_store_save(&s, false, &why), STATUS_OK);
    device_store_close(&s);
    assert_int_equal(device_store_open(&s, &place, prefix, true, &why), STATUS_OK);
    assert_non_null(device_list_find(&s.list, "cam1"));
    assert_true(device_store_has_password(&s, "cam1"));
    device_store_close(&s);
}

static void test_store_refusals(void **state)
{
    (void)state;
    struct device_place nowhere = {"/nowhere", "a", "b", "c", DEVICE_KIND_DEVICE};
    struct device_place place = {dir, DEVICE_ACL, DEVICE_PASSWD, DEVICE_LOCK, DEVICE_KIND_DEVICE};
    struct device_store s;
    struct problem why = {0};
    assert_int_equal(device_store_open(&s, &nowhere, prefix, true, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "/nowhere"));
    device_store_close(&s);
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, DEVICE_PASSWD);
    assert_int_equal(mkfifo(path, 0600), 0); /* neither read nor waited for */
    assert_int_equal(device_store_open(&s, &place, prefix, true, &why), STATUS_IO);
    device_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test_setup_teardown(test_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_store_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
