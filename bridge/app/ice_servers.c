#include "app/parts.h"

#include "policy/turn.h"
#include "proto/json.h"

static void put_member(struct buf *b, const char *key, struct text value)
{
    buf_str(b, ",\"");
    buf_str(b, key);
    buf_str(b, "\":");
    json_put_text(b, value);
}

/* Credentials that coturn's use-auth-secret knows by itself, for as long as the server says. */
static void put_timed(struct buf *b, const struct ice_server *s, struct text peer, int64_t now_ms)
{
    char name[128], password[64];
    struct buf username, credential;
    buf_init_fixed(&username, name, sizeof name);
    buf_init_fixed(&credential, password, sizeof password);
    turn_credential(text_of_str(s->secret), peer, now_ms / 1000 + s->ttl_s, &username, &credential);
    put_member(b, "username", text_of(username.data, username.len));
    put_member(b, "credential", text_of(credential.data, credential.len));
}

void ice_servers_put(struct buf *b, const struct config *c, struct text peer, int64_t now_ms)
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
        if (s->secret)
            put_timed(b, s, peer, now_ms);
        if (s->username)
            put_member(b, "username", text_of_str(s->username));
        if (s->credential)
            put_member(b, "credential", text_of_str(s->credential));
        buf_char(b, '}');
    }
    buf_char(b, ']');
}
