/* Walks arrays of a payload that was checked before: only the ends of values are looked for here,
 * their syntax is known to be right. What was handed out may have been decoded in place since; the
 * walk never looks back. */
#include "core.h"

#include <string.h>

struct sigdev_list core_list(char *payload, struct json_span array)
{
    if (array.type != JSON_ARRAY)
        return (struct sigdev_list){0};
    char *p = payload + (array.p - payload);
    return (struct sigdev_list){p + 1, p + array.len - 1}; /* between the brackets */
}

static void skip_separators(struct sigdev_list *list)
{
    while (list->p < list->end && strchr(" \t\r\n,", *list->p))
        list->p++;
}

/* At an opening quote: the string's inside; list->p ends up behind the closing quote. */
static void take_string(struct sigdev_list *list, struct json_span *item)
{
    char *start = ++list->p;
    item->p = start;
    while (list->p < list->end && *list->p != '"') {
        if (*list->p == '\\') {
            item->escaped = true;
            list->p++;
        }
        list->p++;
    }
    item->len = (size_t)(list->p - start);
    list->p++;
}

/* At an opening bracket: up to behind the one that closes it. */
static void skip_nested(struct sigdev_list *list)
{
    unsigned depth = 0;
    do {
        char c = *list->p;
        if (c == '"') {
            struct json_span ignored = {0};
            take_string(list, &ignored);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        list->p++;
    } while (depth && list->p < list->end);
}

bool core_list_next(struct sigdev_list *list, struct json_span *item)
{
    if (!list->p)
        return false;
    skip_separators(list);
    if (list->p >= list->end) {
        *list = (struct sigdev_list){0};
        return false;
    }
    char *start = list->p;
    *item = (struct json_span){.p = start};
    switch (*start) {
    case '"':
        item->type = JSON_STRING;
        take_string(list, item);
        return true;
    case '{':
    case '[':
        item->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
        skip_nested(list);
        break;
    default:
        item->type = *start == 'n'   ? JSON_NULL
                     : *start == 't' ? JSON_TRUE
                     : *start == 'f' ? JSON_FALSE
                                     : JSON_NUMBER;
        while (list->p < list->end && !strchr(" \t\r\n,", *list->p))
            list->p++;
    }
    item->len = (size_t)(list->p - start);
    return true;
}

enum sigdev_error sigdev_next_candidate(struct sigdev_list *list, struct sigdev_candidate *out)
{
    struct json_span item;
    struct candidate_init c;
    char *payload = list->p;
    if (!core_list_next(list, &item))
        return SIGDEV_END;
    if (candidate_init_parse(item, &c, NULL) != STATUS_OK)
        return SIGDEV_ERR_MESSAGE;
    core_take_candidate(payload, &c, out);
    return SIGDEV_OK;
}

static enum status bad_server(struct problem *why)
{
    return problem_set(why, STATUS_INVALID_MESSAGE, 0, "message-field",
                       "`iceServers` must be an array of RTCIceServer objects");
}

enum status core_ice_server(struct json_span v, struct core_ice_server *out, struct problem *why)
{
    struct json_member m[16];
    size_t n;
    *out = (struct core_ice_server){0};
    if (v.type != JSON_OBJECT || json_object(v.p, v.len, m, 16, &n, NULL) != STATUS_OK)
        return bad_server(why);
    for (size_t i = 0; i < n; i++) {
        if (json_equals(m[i].key, "urls"))
            out->urls = m[i].value;
        else if (json_equals(m[i].key, "username"))
            out->username = m[i].value;
        else if (json_equals(m[i].key, "credential"))
            out->credential = m[i].value;
    }
    if ((out->urls.type != JSON_STRING && out->urls.type != JSON_ARRAY) ||
        (out->username.type != JSON_STRING && out->username.type != JSON_NONE) ||
        (out->credential.type != JSON_STRING && out->credential.type != JSON_NONE))
        return bad_server(why);
    return STATUS_OK;
}

/* The next server of the walk; its single URL, or the list of them, is ready to be taken. */
static enum sigdev_error next_server(struct sigdev_ice_walk *walk, struct json_span *single)
{
    struct json_span item;
    struct core_ice_server server;
    char *payload = walk->servers.p;
    *single = (struct json_span){0};
    if (!core_list_next(&walk->servers, &item))
        return SIGDEV_END;
    if (core_ice_server(item, &server, NULL) != STATUS_OK)
        return SIGDEV_ERR_MESSAGE;
    walk->username = core_take_string(payload, server.username);
    walk->credential = core_take_string(payload, server.credential);
    walk->urls = core_list(payload, server.urls);
    if (server.urls.type == JSON_STRING)
        *single = server.urls;
    return SIGDEV_OK;
}

enum sigdev_error sigdev_next_ice_server(struct sigdev_ice_walk *walk,
                                         struct sigdev_ice_server *out)
{
    struct json_span url;
    char *payload = walk->urls.p;
    while (!core_list_next(&walk->urls, &url)) {
        payload = walk->servers.p;
        enum sigdev_error e = next_server(walk, &url);
        if (e != SIGDEV_OK)
            return e;
        if (url.type == JSON_STRING)
            break;
        payload = walk->urls.p;
    }
    if (url.type != JSON_STRING)
        return SIGDEV_ERR_MESSAGE;
    *out = (struct sigdev_ice_server){core_take_string(payload, url), walk->username,
                                      walk->credential};
    return SIGDEV_OK;
}
