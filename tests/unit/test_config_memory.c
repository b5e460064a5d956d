/* Memory runs out while a configuration is read: it is refused, with at least one complaint, and
 * what was in force stays in force. What libconfig allocates by itself does not fail here: it ends
 * the process then. */
#include "failing_memory.h"

#include "config/args.h"
#include "config/change.h"
#include "config/data_dir.h"
#include "config/show.h"
#include "config/value.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 96 };

static char dir[64], web[PATH_SIZE], file[PATH_SIZE], secret[PATH_SIZE], data[PATH_SIZE],
    home[PATH_SIZE];

static const char first[] =
    "listen = [\"127.0.0.1:1\", \"http://[::1]:2\"]; web = \"web\"; bridge_id = \"one\";"
    "origin = [\"https://a.example\", \"https://b.example\"]; trusted_proxy = \"10.0.0.1\";"
    "jwt_key = [\"HS256@k:secret\", \"ES256:secret\"]; jwt: { issuer = \"i\"; };"
    "broker = \"mqtt://h\"; mqtt: { username = \"u\"; password_file = \"secret\"; };"
    "limits: { rooms = 1; };"
    "ice_servers = ( { urls = [\"stun:a\", \"turn:b\"]; secret_file = \"secret\"; },"
    "  { urls = \"turn:c\"; username = \"u\"; credential_file = \"secret\"; } );"
    "ice_policies = ( { rooms = \"a*\"; types = [\"relay\"]; networks = [\"10.0.0.0/8\"]; } );";
static const char second[] =
    "origin = \"https://c.example\"; jwt_key = \"EdDSA:secret\"; prefix = \"other\";"
    "limits: { rooms = 2; }; web = \"none\"; broker = \"unix:socket\"; bridge_id = \"two\";"
    "ice_servers = ( { urls = \"stun:z\"; } );";
static const char wrong_file[] =
    "rooms = 1; listne = \"x\"; listen = \"x\"; limits: { rooms = 0; };";

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* The file as given; flags and variables on top of it. */
static struct config *load(const char *text)
{
    static const char *const args[] = {"--config", file, "--data=data", "--log-level", "warn"};
    static char variable[] = "SIGBRIDGE_TRUSTED_PROXY=10.0.0.2 10.0.0.3";
    static char *envp[] = {home, variable, NULL};
    struct config_input in = {.argc = 5, .argv = args, .envp = envp, .lookup = dir};
    struct complaints wrong;
    memory_spare(true);
    put_file(file, text);
    memory_spare(false);
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    HOLDS((c == NULL) == (wrong.count > 0));
    complaints_release(&wrong);
    return c;
}

static char *shown(const struct config *c)
{
    struct buf b;
    memory_spare(true);
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_effective(c, &b);
    char *text = strdup(buf_cstr(&b));
    HOLDS(buf_ok(&b) && text);
    buf_release(&b);
    memory_spare(false);
    return text;
}

static bool a_file_is_read(void)
{
    struct config *c = load(first);
    if (!c)
        return false;
    HOLDS(c->listen.count == 2 && c->origins.count == 2 && c->jwt_keys.count == 2);
    HOLDS(c->ice_servers.count == 2 && c->ice_servers.items[0].urls.count == 2);
    HOLDS(c->ice_policies.count == 1 && c->ice_policies.items[0].networks.count == 1);
    HOLDS(c->trusted_proxies.count == 2 && c->limits.rooms == 1 && c->log_level == LOG_WARN);
    HOLDS(strcmp(c->mqtt.password, "one line") == 0);
    HOLDS(strcmp(c->ice_servers.items[0].secret, "one line") == 0);
    HOLDS(strcmp(c->ice_servers.items[1].credential, "one line") == 0);
    HOLDS(strncmp(c->web, dir, strlen(dir)) == 0 && strncmp(c->data, "/", 1) == 0);
    config_free(c);
    return true;
}

/* It is refused anyhow, for one reason or another. */
static bool a_wrong_file_is_read(void)
{
    struct complaints wrong;
    static const char *const args[] = {"--dev", "-c", file};
    struct config_input in = {.argc = 3, .argv = args, .lookup = dir};
    memory_spare(true);
    put_file(file, wrong_file);
    memory_spare(false);
    complaints_init(&wrong);
    HOLDS(config_load(&in, &wrong) == NULL);
    HOLDS(wrong.count > 0);
    bool hint = strstr(complaints_text(&wrong), "did you mean \"listen\"");
    bool well = wrong.count == 4 && buf_ok(&wrong.text);
    HOLDS(!well || hint);
    complaints_release(&wrong);
    return well;
}

static bool the_places_by_default(void)
{
    static const char *const args[] = {"--dev"};
    static char *envp[] = {home, NULL};
    struct config_input in = {.argc = 1, .argv = args, .envp = envp, .lookup = dir};
    struct complaints wrong;
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    HOLDS((c == NULL) == (wrong.count > 0));
    bool well = c != NULL;
    HOLDS(!c || (c->data && c->web && strcmp(c->web, web) == 0));
    complaints_release(&wrong);
    config_free(c);
    return well;
}

/* What runs is as it was when the fresh one could not be read; else it has what can change. */
static bool it_is_read_again(void)
{
    struct complaints wrong;
    struct config would;
    memory_spare(true);
    struct config *c = load(first);
    HOLDS(c != NULL);
    const char *prefix = c->prefix;
    char *before = shown(c);
    put_file(file, second);
    memory_spare(false);
    complaints_init(&wrong);
    struct config *fresh = config_load_again(c, &wrong);
    bool well = fresh != NULL;
    HOLDS(well == (wrong.count == 0));
    if (fresh) {
        config_preview(c, fresh, &would);
        config_check(&would, &wrong);
        HOLDS(wrong.count == 0);
        config_take(c, fresh);
        HOLDS(c->limits.rooms == 2 && c->origins.count == 1 && c->broker.kind == BROKER_MQTT);
    } else {
        char *after = shown(c);
        HOLDS(strcmp(before, after) == 0);
        free(after);
    }
    HOLDS(c->prefix == prefix);
    complaints_release(&wrong);
    config_free(fresh);
    config_free(c);
    free(before);
    return well;
}

static bool texts_are_shown(void)
{
    static void (*const shows[])(struct buf *) = {config_show_flags, config_show_example,
                                                  config_show_reference};
    bool well = true;
    for (size_t i = 0; i < ROWS(shows); i++) {
        struct buf b;
        buf_init(&b, SHOW_MAX_BYTES);
        shows[i](&b);
        well = well && buf_ok(&b);
        buf_release(&b);
    }
    memory_spare(true);
    struct config *c = load(first);
    memory_spare(false);
    struct buf b;
    buf_init(&b, SHOW_MAX_BYTES);
    config_show_effective(c, &b);
    well = well && buf_ok(&b);
    HOLDS(!strstr(buf_cstr(&b), "one line"));
    buf_release(&b);
    config_free(c);
    return well;
}

static bool a_data_directory_is_opened(void)
{
    struct problem why = {0};
    char id[NAME_MAX_BYTES + 1] = "";
    int lock = -1;
    enum status s = data_dir_open(data, &lock, &why);
    bool well = s == STATUS_OK;
    HOLDS(well || why.text[0]);
    HOLDS(well == (lock >= 0));
    if (well)
        well = data_dir_bridge_id(data, id, &why) == STATUS_OK;
    HOLDS(!well || strncmp(id, "bridge-", 7) == 0);
    if (lock >= 0)
        close(lock);
    return well;
}

static void memory_runs_out(void **state)
{
    static const struct memory_story stories[] = {
        {"a file is read", a_file_is_read, 0},
        {"a wrong file is read", a_wrong_file_is_read, MEMORY_QUIET},
        {"the places by default", the_places_by_default, 0},
        {"it is read again", it_is_read_again, 0},
        {"texts are shown", texts_are_shown, 0},
        {"a data directory is opened", a_data_directory_is_opened, 0},
    };
    (void)state;
    memory_tell(stories, ROWS(stories));
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/sigbridge-memory-XXXXXX");
    if (!mkdtemp(dir) || chmod(dir, 0755) != 0)
        return -1;
    snprintf(file, sizeof file, "%s/x.conf", dir);
    snprintf(secret, sizeof secret, "%s/secret", dir);
    snprintf(data, sizeof data, "%s/state/deep", dir);
    snprintf(home, sizeof home, "HOME=%s", dir);
    snprintf(web, sizeof web, "%s/web", dir);
    put_file(secret, "one line\n");
    return chmod(secret, 0600) | mkdir(web, 0755);
}

static int tear_down(void **state)
{
    static const char *const files[] = {"x.conf", "secret", "state/deep/lock",
                                        "state/deep/bridge-id"},
                             *const dirs[] = {"state/deep", "state", "web"};
    char path[PATH_SIZE + 32];
    (void)state;
    for (size_t i = 0; i < ROWS(files); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    for (size_t i = 0; i < ROWS(dirs); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, dirs[i]);
        rmdir(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
