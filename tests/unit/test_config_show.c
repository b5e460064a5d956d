/* What people get to read agrees with what the parser takes: the example file and the reference in
 * the tree are the ones that the table gives, and what --check-config prints can be used as a file.
 */
#include "config/show.h"

#include "config/file.h"
#include "config/option.h"
#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/sigbridge-show-XXXXXX";

static struct config *load_text(const char *text, const char *const *flags)
{
    const char *args[8] = {"-c", path, "--dev"};
    static char home[] = "HOME=/nonexistent";
    char *envp[] = {home, NULL};
    struct config_input in = {.argc = 3, .argv = args, .envp = envp, .lookup = "/nonexistent"};
    struct complaints wrong;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    for (; flags && *flags; flags++)
        args[in.argc++] = *flags;
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    if (!c)
        print_error("%s", complaints_text(&wrong));
    assert_non_null(c);
    complaints_release(&wrong);
    return c;
}

static void assert_same_as_file(struct buf *b, const char *name)
{
    size_t len = 0;
    char *kept = file_read(name, SHOW_MAX_BYTES, &len);
    print_message("%s\n", name);
    assert_non_null(kept);
    assert_true(buf_ok(b));
    assert_string_equal(buf_cstr(b), kept);
    free(kept);
    buf_release(b);
}

static void test_files_in_the_tree(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_example(&b);
    assert_same_as_file(&b, CONFIG_DIRECTORY "/sigbridge.conf");
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_reference(&b);
    assert_same_as_file(&b, CONFIG_DIRECTORY "/options.md");
}

/* Takes the comment signs away from lines that are settings, as a person would who wants them. */
static char *uncommented(const char *text)
{
    char *out = calloc(1, strlen(text) + 1), *to = out;
    assert_non_null(out);
    while (*text) {
        size_t len = strcspn(text, "\n") + 1, spaces = strspn(text, " ");
        const char *line = text + spaces;
        size_t word = line[0] == '#' ? strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_") : 0;
        bool setting = word > 0 && strncmp(line + 2 + word, " = ", 3) == 0;
        if (setting || strncmp(line, "#     ", 6) == 0 || strncmp(line, "# );", 4) == 0)
            line += 2;
        to += sprintf(to, "%.*s", (int)(text + len - line), line);
        text += len;
    }
    return out;
}

static void test_example_shows_the_defaults(void **state)
{
    struct buf b, with, without;
    (void)state;
    /* As it is, it sets nothing. */
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_example(&b);
    struct config *c = load_text(buf_cstr(&b), NULL);
    for (size_t i = 0; i < options.count; i++) {
        print_message("%s\n", options.options[i].name);
        assert_true(c->origin[i].from != CONFIG_FILE);
    }
    /* What has a default shows it; the examples of the others go together only with a broker. */
    char *text = uncommented(buf_cstr(&b));
    char *mqtt = strstr(text, "mqtt: {"), *list = strstr(text, "ice_servers = (");
    char *web = strstr(text, "web = \"/usr");
    assert_non_null(mqtt);
    assert_non_null(list);
    assert_non_null(web);
    memcpy(web, "web = \"none\"; #    ", 18);
    *mqtt = '\0'; /* names files that are not there, as do these */
    memcpy(strstr(text, "tls_cert = "), "##", 2);
    memcpy(strstr(text, "tls_key = "), "##", 2);
    struct config *all = load_text(text, NULL);
    for (size_t i = 0; i < options.count; i++) {
        const struct option *o = &options.options[i];
        bool before = strncmp(o->name, "mqtt.", 5) != 0 && strncmp(o->name, "tls_", 4) != 0 &&
                      o->type != OPTION_LIST;
        print_message("%s\n", o->name);
        if (before && (o->traits & OPTION_IN_FILE) && strcmp(o->name, "dev") != 0)
            assert_int_equal(all->origin[i].from, CONFIG_FILE);
    }
    for (const struct option *o = options.options; o < options.options + options.count; o++) {
        char **text_of = (char **)(void *)((char *)all + o->offset);
        if (o->fallback || o->type == OPTION_LIST || !(o->traits & OPTION_IN_FILE))
            continue;
        if (option_is_many(o)) {
            value_clear(o, all);
        } else {
            free(*text_of);
            *text_of = NULL;
        }
    }
    memcpy(all->origin, c->origin, sizeof c->origin);
    all->data = strdup(c->data);
    buf_init(&with, SHOW_MAX_BYTES);
    buf_init(&without, SHOW_MAX_BYTES);
    config_show_effective(all, &with);
    config_show_effective(c, &without);
    assert_string_equal(buf_cstr(&with), buf_cstr(&without));
    free(text);
    config_free(c);
    config_free(all);
    buf_release(&b);
    buf_release(&with);
    buf_release(&without);
}

/* The text without the comments that tell where a value comes from. */
static char *without_origins(const char *text)
{
    char *out = strdup(text), *to = out;
    assert_non_null(out);
    for (; *text; text++) {
        const char *end = strncmp(text, "; # ", 4) == 0 ? strchr(text, '\n') : NULL;
        if (end)
            text = end;
        *to++ = *text;
    }
    *to = '\0';
    return out;
}

static void test_effective_is_a_file(void **state)
{
    static const char *const flags[] = {"--listen", "[::1]:9", "--web=none", NULL};
    struct buf first, second;
    (void)state;
    struct config *c = load_text("prefix = \"a\\\"b\\\\c\";\nbridge_id = \"b\";\n"
                                 "broker = \"unix:/run/b\"; limits: { sessions = 7 };"
                                 "ice_servers = ( { urls = \"stun:a\" },\n"
                                 "{ urls = [\"turn:b\", \"turn:c\"]; username = \"u\";"
                                 " credential = \"hunter2\" } );",
                                 flags);
    buf_init(&first, SHOW_MAX_BYTES);
    config_show_effective(c, &first);
    config_free(c);
    const char *text = buf_cstr(&first);
    print_message("%s", text);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "listen = \"[::1]:9\"; # --listen\n"));
    assert_non_null(strstr(text, "prefix = \"a\\\"b\\\\c\"; # /tmp/"));
    assert_non_null(strstr(text, ":1\n"));
    assert_non_null(strstr(text, "sessions = 7; # /tmp/"));
    assert_non_null(strstr(text, "# credential is set, and not shown here\n"));
    /* A secret that is not shown has to be written in; the rest comes back as it was. */
    char *whole = malloc(strlen(text) + 64);
    assert_non_null(whole);
    const char *gap = strstr(text, "# credential is set");
    sprintf(whole, "%.*scredential = \"hunter2\"; %s", (int)(gap - text), text, gap);
    c = load_text(whole, NULL);
    buf_init(&second, SHOW_MAX_BYTES);
    config_show_effective(c, &second);
    char *a = without_origins(text), *b = without_origins(buf_cstr(&second));
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(whole);
    config_free(c);
    buf_release(&first);
    buf_release(&second);
}

static void test_help_is_narrow(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_flags(&b);
    assert_true(buf_ok(&b));
    for (const char *line = buf_cstr(&b); *line; line += strcspn(line, "\n") + 1)
        assert_in_range(strcspn(line, "\n"), 1, 80);
    for (size_t i = 0; i < options.count; i++) {
        char flag[OPTION_NAME_MAX + 2] = "--";
        option_flag(&options.options[i], flag + 2);
        print_message("%s\n", flag);
        assert_true(!(options.options[i].traits & OPTION_IN_FLAGS) ||
                    strstr(buf_cstr(&b), flag) != NULL);
    }
    buf_release(&b);
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_in_the_tree),
        cmocka_unit_test(test_example_shows_the_defaults),
        cmocka_unit_test(test_effective_is_a_file),
        cmocka_unit_test(test_help_is_narrow),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
