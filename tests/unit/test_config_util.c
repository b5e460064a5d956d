#include "test_config_util.h"

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

enum { ARGS_MAX = 16 };

char config_dir[64], config_path[96];
bool config_without_dev;

void config_write_file(const char *name, const char *text, size_t len)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Loads with a file's text (NULL: no file), variables and flags. */
struct config *config_load_with(const char *text, char *const *env, const char *const *flags,
                                struct complaints *wrong)
{
    const char *args[ARGS_MAX] = {"--dev"};
    char home[96], *envp[ARGS_MAX] = {home};
    struct config_input in = {
        .argc = !config_without_dev, .argv = args, .envp = envp, .lookup = config_dir};
    snprintf(home, sizeof home, "HOME=%s", config_dir);
    if (text) {
        config_write_file(config_path, text, strlen(text));
        args[in.argc++] = "-c";
        args[in.argc++] = config_path;
    }
    for (size_t i = 0; flags && flags[i]; i++)
        args[in.argc++] = flags[i];
    for (size_t i = 0; env && env[i]; i++)
        envp[i + 1] = env[i];
    complaints_init(wrong);
    return config_load(&in, wrong);
}

struct config *config_load_well(const char *text, char *const *env, const char *const *flags)
{
    struct complaints wrong;
    struct config *c = config_load_with(text, env, flags, &wrong);
    if (!c)
        print_error("%s", complaints_text(&wrong));
    assert_non_null(c);
    assert_int_equal(wrong.count, 0);
    complaints_release(&wrong);
    return c;
}

void config_check_mistakes(const struct config_mistake *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_mistake *m = &rows[i];
        char expected[CONFIG_TEXT_MAX] = "", *env[] = {NULL, NULL};
        char variable[128];
        struct complaints wrong;
        print_message("%s\n", m->name);
        if (m->env) {
            snprintf(variable, sizeof variable, "%s", m->env);
            env[0] = variable;
        }
        assert_null(config_load_with(m->file, env, m->flag, &wrong));
        size_t at = 0;
        for (const char *line = m->says; line;) {
            const char *end = strchr(line, '\n');
            bool path = *line == '@';
            at += (size_t)snprintf(
                expected + at, sizeof expected - at, "sigbridge: %s%.*s\n", path ? config_path : "",
                end ? (int)(end - line - path) : (int)strlen(line + path), line + path);
            line = end ? end + 1 : NULL;
        }
        assert_string_equal(complaints_text(&wrong), expected);
        complaints_release(&wrong);
    }
}

int config_make_directory(void **state)
{
    (void)state;
    strcpy(config_dir, "/tmp/sigbridge-config-XXXXXX");
    if (!mkdtemp(config_dir) || chmod(config_dir, 0755) != 0)
        return -1;
    snprintf(config_path, sizeof config_path, "%s/x.conf", config_dir);
    return 0;
}

int config_remove_directory(void **state)
{
    (void)state;
    unlink(config_path);
    return rmdir(config_dir);
}
