#include "app/parts.h"

#include "proto/json.h"

static void put_member(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    buf_str(b, ",\"");
    buf_str(b, key);
    buf_str(b, "\":");
    json_put_str(b, value);
}

void ice_servers_put(struct buf *b, const struct config *c)
{
    buf_char(b, '[');
    for (size_t i = 0; i < c->ice_servers.count; i++) {
        const struct ice_server *s = &c->ice_servers.items[i];
        buf_str(b, i ? ",{\"urls\":[" : "{\"urls\":[");
        for (size_t u = 0; u < s->urls.count; u++) {
            if (u)
                buf_char(b, ',');
            json_put_str(b, s->urls.items[u]);
        }
        buf_char(b, ']');
        put_member(b, "username", s->username);
        put_member(b, "credential", s->credential);
        buf_char(b, '}');
    }
    buf_char(b, ']');
}
