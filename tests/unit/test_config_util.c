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

enum { ARGS_MAX = 10 };

char config_dir[64], config_path[96];

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
    struct config_input in = {.argc = 1, .argv = args, .envp = envp, .lookup = config_dir};
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

/* Replaces each @ by the file's path. */
static const char *config_expand(const char *text, char out[CONFIG_TEXT_MAX])
{
    size_t at = 0;
    for (; *text; text++) {
        if (*text == '@')
            at += (size_t)snprintf(out + at, CONFIG_TEXT_MAX - at, "%s", config_path);
        else
            out[at++] = *text;
    }
    out[at] = '\0';
    return out;
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
        char says[CONFIG_TEXT_MAX], expected[CONFIG_TEXT_MAX] = "", *env[] = {NULL, NULL};
        char variable[128];
        struct complaints wrong;
        print_message("%s\n", m->name);
        if (m->env) {
            snprintf(variable, sizeof variable, "%s", m->env);
            env[0] = variable;
        }
        assert_null(config_load_with(m->file, env, m->flag, &wrong));
        /* "@include" is the one @ that stays. */
        bool include = strstr(m->says, "@include") != NULL;
        size_t at = 0;
        for (const char *line = m->says; line;) {
            const char *end = strchr(line, '\n');
            at += (size_t)snprintf(says + at, sizeof says - at, "sigbridge: %.*s\n",
                                   end ? (int)(end - line) : (int)strlen(line), line);
            line = end ? end + 1 : NULL;
        }
        if (include) {
            char *place = strstr(says, "@include");
            *place = '\x01';
            config_expand(says, expected);
            *strchr(expected, '\x01') = '@';
        } else {
            config_expand(says, expected);
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
