/* Any bytes through the JSON reader. What it accepts, cJSON must accept too and read the same way:
 * the same keys, the same strings. What it refuses must come with a reason. What was read once is
 * walked without checks: that gives the same spans, and for any other text some within it. */
#include "proto/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMBERS = 64 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void same_string(struct json_span span, const char *expected)
{
    char *plain = malloc(span.len + 1);
    size_t len = 0;
    require(plain && json_decode(span, plain, span.len, &len));
    require(len == strlen(expected) && memcmp(plain, expected, len) == 0);
    free(plain);
}

static void same_type(enum json_type type, const cJSON *item)
{
    switch (type) {
    case JSON_NONE:
        abort();
    case JSON_NULL:
        require(cJSON_IsNull(item));
        break;
    case JSON_TRUE:
        require(cJSON_IsTrue(item));
        break;
    case JSON_FALSE:
        require(cJSON_IsFalse(item));
        break;
    case JSON_NUMBER:
        require(cJSON_IsNumber(item));
        break;
    case JSON_STRING:
        require(cJSON_IsString(item));
        break;
    case JSON_ARRAY:
        require(cJSON_IsArray(item));
        break;
    case JSON_OBJECT:
        require(cJSON_IsObject(item));
        break;
    }
}

static void same_span(struct json_span a, struct json_span b)
{
    require(a.p == b.p && a.len == b.len && a.type == b.type && a.escaped == b.escaped);
}

static void same_members(struct json_span object, const struct json_member *members, size_t count)
{
    struct json_member walked[MEMBERS];
    size_t n;
    require(json_known_object(object, walked, MEMBERS, &n) && n == count);
    for (size_t i = 0; i < n; i++) {
        same_span(walked[i].key, members[i].key);
        same_span(walked[i].value, members[i].value);
    }
}

static void same_items(struct json_span array, const struct json_span *items, size_t count)
{
    struct json_span walked[MEMBERS];
    size_t n;
    require(json_known_array(array, walked, MEMBERS, &n) && n == count);
    for (size_t i = 0; i < n; i++)
        same_span(walked[i], items[i]);
}

static void within(struct json_span part, struct json_span all)
{
    require(part.p >= all.p && part.p <= all.p + all.len);
    require(part.len <= (size_t)(all.p + all.len - part.p));
}

/* Whatever it is, nothing outside of it is read or handed out. */
static void walk_unchecked(struct json_span all)
{
    struct json_member members[MEMBERS];
    struct json_span items[MEMBERS];
    size_t n;
    (void)json_known_object(all, members, MEMBERS, &n);
    require(n <= MEMBERS);
    for (size_t i = 0; i < n; i++) {
        within(members[i].key, all);
        within(members[i].value, all);
    }
    (void)json_known_array(all, items, MEMBERS, &n);
    require(n <= MEMBERS);
    for (size_t i = 0; i < n; i++)
        within(items[i], all);
}

/* A text that is read to its last byte, but for white space around it. */
static struct json_span trimmed(const char *text, size_t size, enum json_type type)
{
    static const char space[] = " \t\r\n";
    const char *end = text + size;
    while (text < end && memchr(space, *text, sizeof space - 1))
        text++;
    while (text < end && memchr(space, end[-1], sizeof space - 1))
        end--;
    return (struct json_span){.p = text, .len = (size_t)(end - text), .type = type};
}

static void check_value(struct json_span value, const cJSON *item)
{
    same_type(value.type, item);
    if (value.type == JSON_STRING)
        same_string(value, item->valuestring);
    /* A nested value stands on its own. */
    struct json_member members[MEMBERS];
    struct json_span items[MEMBERS];
    size_t count;
    if (value.type == JSON_OBJECT &&
        json_object(value.p, value.len, members, MEMBERS, &count, NULL) == STATUS_OK)
        same_members(value, members, count);
    else if (value.type == JSON_ARRAY &&
             json_array(value.p, value.len, items, MEMBERS, &count, NULL) == STATUS_OK)
        same_items(value, items, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_member members[MEMBERS];
    struct problem why = {0};
    size_t count;
    const char *text = (const char *)data;
    walk_unchecked((struct json_span){.p = text, .len = size, .type = JSON_OBJECT});
    enum status s = json_object(text, size, members, MEMBERS, &count, &why);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID_JSON && why.status == s && why.rule && why.text[0]);
        struct json_span items[MEMBERS];
        if (json_array(text, size, items, MEMBERS, &count, NULL) == STATUS_OK)
            same_items(trimmed(text, size, JSON_ARRAY), items, count);
        return 0;
    }
    same_members(trimmed(text, size, JSON_OBJECT), members, count);
    cJSON *root = cJSON_ParseWithLength(text, size);
    require(root && (size_t)cJSON_GetArraySize(root) == count);
    const cJSON *item = root->child;
    for (size_t i = 0; i < count; i++, item = item->next) {
        same_string(members[i].key, item->string);
        check_value(members[i].value, item);
    }
    cJSON_Delete(root);
    return 0;
}
