/* What json_object() or json_array() has read once needs no second check: the same text, walked
 * from bracket to comma. Nothing is read outside of it, whatever it holds. */
#include "proto/json.h"

#include "proto/json_scan.h"

struct walker {
    const char *p, *end;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool skip_space(struct walker *w)
{
    while (w->p < w->end && is_space(*w->p))
        w->p++;
    return w->p < w->end;
}

/* To behind its closing quote. */
static struct json_span take_string(struct walker *w)
{
    struct json_span s = {.p = ++w->p, .type = JSON_STRING};
    while ((w->p = json_skip_plain(w->p, w->end)) < w->end && *w->p != '"') {
        bool escape = *w->p == '\\';
        s.escaped |= escape;
        w->p += escape && w->end - w->p > 1 ? 2 : 1;
    }
    s.len = (size_t)(w->p - s.p);
    if (w->p < w->end)
        w->p++;
    return s;
}

static struct json_span take_container(struct walker *w)
{
    struct json_span s = {.p = w->p, .type = *w->p == '{' ? JSON_OBJECT : JSON_ARRAY};
    unsigned depth = 0;
    do {
        char c = *w->p;
        if (c == '"') {
            (void)take_string(w);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        w->p++;
    } while (depth && w->p < w->end);
    s.len = (size_t)(w->p - s.p);
    return s;
}

static struct json_span take_word(struct walker *w)
{
    struct json_span s = {.p = w->p};
    while (w->p < w->end && *w->p != ',' && *w->p != '}' && *w->p != ']' && !is_space(*w->p))
        w->p++;
    s.len = (size_t)(w->p - s.p);
    s.type = *s.p == 't'   ? JSON_TRUE
             : *s.p == 'f' ? JSON_FALSE
             : *s.p == 'n' ? JSON_NULL
                           : JSON_NUMBER;
    return s;
}

static struct json_span take_value(struct walker *w)
{
    return *w->p == '"'                   ? take_string(w)
           : *w->p == '{' || *w->p == '[' ? take_container(w)
                                          : take_word(w);
}

/* Before the next member or item; false at the end. */
static bool next(struct walker *w)
{
    if (!skip_space(w) || *w->p == '}' || *w->p == ']')
        return false;
    if (*w->p != ',')
        return true;
    w->p++;
    return skip_space(w);
}

static struct walker enter(struct json_span s)
{
    return (struct walker){s.p + (s.len > 0), s.p + s.len};
}

bool json_known_object(struct json_span object, struct json_member *members, size_t max,
                       size_t *count)
{
    struct walker w = enter(object);
    *count = 0;
    while (next(&w)) {
        struct json_span key = take_string(&w);
        if (!skip_space(&w) || *count == max)
            return false;
        w.p++; /* the colon */
        if (!skip_space(&w))
            return false;
        members[(*count)++] = (struct json_member){key, take_value(&w)};
    }
    return true;
}

bool json_known_array(struct json_span array, struct json_span *items, size_t max, size_t *count)
{
    struct walker w = enter(array);
    *count = 0;
    while (next(&w)) {
        if (*count == max)
            return false;
        items[(*count)++] = take_value(&w);
    }
    return true;
}
