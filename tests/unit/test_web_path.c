#include "policy/web_path.h"
#include "test.h"

#include <string.h>

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool want;
    } rows[] = {
        {"/", true},
        {"/index.html", true},
        {"/sigbridge/index.js", true},
        {"/sigbridge/", true},
        {"/a b", true},
        {"/stra\xc3\x9f"
         "e",
         true},
        {"/a..b", true},
        {"/a.", true},
        {"/a..", true},
        {"/..;/x", false},
        {"/.well-known/security.txt", true},
        {"/.well-known", true},
        {"/.well-known.x", false},
        {"/.well-know", false},
        {"", false},
        {"index.html", false},
        {"http:/x/index.html", false},
        {"*", false},
        {"//", false},
        {"/a//b", false},
        {"/.", false},
        {"/..", false},
        {"/../secret", false},
        {"/a/../secret", false},
        {"/a/..", false},
        {"/...", false},
        {"/.git/config", false},
        {"/a/.env", false},
        {"/a\\b", false},
        {"/..\\secret", false},
        {"/a\tb", false},
        {"/a\nb", false},
        {"/a\x7f", false},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ROW(rows[i].path, web_path_ok(text_of_str(rows[i].path)) == rows[i].want);
    assert_false(web_path_ok(text_of("/a\0b", 4)));
}

static void length(void **state)
{
    (void)state;
    char path[WEB_PATH_MAX + 1];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    assert_true(web_path_ok(text_of(path, WEB_PATH_MAX)));
    assert_false(web_path_ok(text_of(path, WEB_PATH_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
