/* The configuration file, through the text that a file would hold, and the small parsers: the first
 * byte says which. What a file sets comes back the same from what is shown of it, and a secret
 * never is part of that. */
#include "config/endpoint.h"
#include "config/file.h"
#include "config/forms.h"
#include "config/show.h"
#include "config/value.h"
#include "config/web_origin.h"
#include "config/when.h"
#include "proto/network.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): release builds leave that out. */
#define must(holds) ((holds) ? (void)0 : abort())

/* libconfig 1.5 loses the text it was collecting when a syntax error follows it. The bridge reads
 * its file once and ends after such an error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

static struct config *defaults(void)
{
    static char home[] = "HOME=/nonexistent";
    char *envp[] = {home, NULL};
    static const char *const flags[] = {"--dev"};
    struct config_input in = {.argc = 1, .argv = flags, .envp = envp, .lookup = "/nonexistent"};
    struct complaints wrong;
    complaints_init(&wrong);
    struct config *c = config_load(&in, &wrong);
    must(c);
    complaints_release(&wrong);
    return c;
}

static bool apply(struct config *c, const char *text, size_t len)
{
    struct complaints wrong;
    complaints_init(&wrong);
    file_apply(c, "/etc/x.conf", text, len, &wrong);
    bool well = wrong.count == 0;
    must(well == (*complaints_text(&wrong) == '\0'));
    complaints_release(&wrong);
    return well;
}

static void check_file(const char *text, size_t len)
{
    struct buf first, second;
    struct config *c = defaults();
    buf_init(&first, SHOW_MAX_BYTES);
    buf_init(&second, SHOW_MAX_BYTES);
    if (apply(c, text, len)) {
        free(c->ask.config); /* what an origin names */
        c->ask.config = strdup("/etc/x.conf");
        config_show_effective(c, &first);
        const char *shown = buf_cstr(&first);
        must(buf_ok(&first));
        struct config *again = defaults();
        for (size_t i = 0; i < c->ice_servers.count; i++)
            value_wipe(c->ice_servers.items[i].credential);
        bool secrets = strstr(shown, "is set, and not shown") != NULL;
        bool well = apply(again, shown, first.len);
        must(well || secrets);
        if (well) {
            memcpy(again->origin, c->origin, sizeof c->origin);
            again->ask.config = strdup("/etc/x.conf");
            config_show_effective(again, &second);
            must(secrets || strcmp(shown, buf_cstr(&second)) == 0);
        }
        config_free(again);
    }
    config_free(c);
    buf_release(&first);
    buf_release(&second);
}

static void check_endpoint(const char *text)
{
    struct endpoint a, b;
    const char *why = NULL;
    char shown[ENDPOINT_TEXT_MAX], again[ENDPOINT_TEXT_MAX];
    if (endpoint_parse(text, &a, &why)) {
        endpoint_format(&a, shown);
        must(endpoint_parse(shown, &b, &why));
        endpoint_format(&b, again);
        must(strcmp(shown, again) == 0);
    } else {
        must(why);
    }
}

static void check_broker(const char *text)
{
    struct broker a, b;
    const char *why = NULL;
    char shown[BROKER_TEXT_MAX], again[BROKER_TEXT_MAX];
    if (broker_parse(text, &a, &why)) {
        must(!broker_text_is_secret(text));
        broker_format(&a, shown);
        must(broker_parse(shown, &b, &why));
        broker_format(&b, again);
        must(strcmp(shown, again) == 0 && a.kind == b.kind && a.port == b.port);
    } else {
        must(why);
    }
}

/* What is written comes back as it was shown. */
static void check_form(const struct option_form *form, const char *text)
{
    struct buf first, second;
    void *a = calloc(1, form->item_size), *b = calloc(1, form->item_size);
    const char *why = NULL;
    must(a && b);
    buf_init(&first, SHOW_MAX_BYTES);
    buf_init(&second, SHOW_MAX_BYTES);
    if (form->parse(text, "/base", a, &why)) {
        form->format(a, &first);
        must(form->parse(buf_cstr(&first), "/elsewhere", b, &why));
        form->format(b, &second);
        must(buf_ok(&second) && strcmp(buf_cstr(&first), buf_cstr(&second)) == 0);
        if (form->release) {
            form->release(a);
            form->release(b);
        }
    } else {
        must(why);
    }
    free(a);
    free(b);
    buf_release(&first);
    buf_release(&second);
}

static void check_words(const char *text)
{
    struct network n;
    const char *why = NULL;
    if (network_parse(text, &n, &why))
        must(n.bits <= 128 && network_holds(&n, n.ip));
    else
        must(why);
    why = NULL;
    must(web_origin_ok(text, &why) || why);
    why = NULL;
    must(room_pattern_ok(text, &why) || why);
    check_form(&form_listen, text);
    check_form(&form_jwt_key, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    int64_t ms;
    if (size == 0)
        return 0;
    char *text = malloc(size); /* its own block, so that a read past its end is seen */
    must(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 8) {
    case 0:
        check_endpoint(text);
        break;
    case 1:
        check_broker(text);
        break;
    case 2:
        must(ice_url_ok(text, &why) || why);
        break;
    case 3:
        must(value_is_prefix(text, &why) || why);
        break;
    case 4:
        if (when_parse(text, INT64_C(1795253400000), &ms))
            must(ms >= 0);
        break;
    case 5:
        check_words(text);
        break;
    default:
        check_file(text, size - 1);
        break;
    }
    free(text);
    return 0;
}
