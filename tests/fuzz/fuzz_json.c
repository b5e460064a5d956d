/* Any bytes through the JSON reader. What it accepts, cJSON must accept too and read the same way:
 * the same keys, the same strings. What it refuses must come with a reason. */
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

static void check_value(struct json_span value, const cJSON *item)
{
    same_type(value.type, item);
    if (value.type == JSON_STRING)
        same_string(value, item->valuestring);
    /* A nested value stands on its own. */
    struct json_member members[MEMBERS];
    struct json_span items[MEMBERS];
    size_t count;
    if (value.type == JSON_OBJECT)
        json_object(value.p, value.len, members, MEMBERS, &count, NULL);
    else if (value.type == JSON_ARRAY)
        json_array(value.p, value.len, items, MEMBERS, &count, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_member members[MEMBERS];
    struct problem why = {0};
    size_t count;
    const char *text = (const char *)data;
    enum status s = json_object(text, size, members, MEMBERS, &count, &why);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID_JSON && why.status == s && why.rule && why.text[0]);
        struct json_span items[MEMBERS];
        json_array(text, size, items, MEMBERS, &count, NULL);
        return 0;
    }
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
