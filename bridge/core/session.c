#include "core/session.h"

#include "base/clock.h"
#include "core/delivery.h"
#include "core/echo.h"
#include "core/handover.h"
#include "core/membership.h"
#include "core/takeover.h"

#include <stdlib.h>
#include <string.h>

struct session *session_create(void *socket)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->socket = socket;
    list_init(&s->in_all);
    list_init(&s->in_room);
    list_init(&s->timer);
    list_init(&s->deliveries);
    list_init(&s->expiring);
    list_init(&s->keeping);
    replay_init(&s->replay, 0);
    seen_init(&s->seen);
    calls_init(&s->calls);
    recent_init(&s->recent);
    return s;
}

void session_destroy(struct session *s)
{
    struct link *l;
    while ((l = list_first(&s->deliveries)))
        delivery_orphan(LIST_ITEM(l, struct delivery, in_session));
    echo_drop_all(s);
    list_remove(&s->in_all);
    list_remove(&s->in_room);
    list_remove(&s->timer);
    list_remove(&s->expiring);
    list_remove(&s->keeping);
    replay_release(&s->replay);
    seen_release(&s->seen);
    takeover_release(s);
    handover_release(s);
    calls_release(&s->calls);
    recent_release(&s->recent);
    free(s->join);
    free(s->meta);
    access_destroy(s->access);
    free(s);
}

bool session_set_meta(struct session *s, struct text meta)
{
    size_t len = text_len(&meta);
    char *copy = NULL;
    if (len) {
        copy = malloc(len);
        if (!copy)
            return false;
        memcpy(copy, meta.p, len);
    }
    free(s->meta);
    s->meta = copy;
    s->meta_len = (uint32_t)len;
    return true;
}

struct text session_own(struct text sid)
{
    return text_len(&sid) == SESSION_ID_LEN ? text_of(sid.p + SESSION_RUN_LEN + 1, SESSION_OWN_LEN)
                                            : text_of_str("");
}

void session_name(struct session *s, const char *run, struct text own)
{
    char *at = s->sid;
    memcpy(at, run, SESSION_RUN_LEN);
    at += SESSION_RUN_LEN;
    *at++ = '-';
    if (text_end(&own)) {
        clock_random_name(at, SESSION_OWN_LEN);
        return;
    }
    memmove(at, own.p, SESSION_OWN_LEN);
    at[SESSION_OWN_LEN] = '\0';
}

void session_renew_secret(struct session *s, struct text used)
{
    char copy[SESSION_SECRET_LEN];
    memcpy(copy, used.p, sizeof copy);
    memcpy(s->last_secret, copy, sizeof copy);
    s->last_secret[SESSION_SECRET_LEN] = '\0';
    clock_random_name(s->secret, SESSION_SECRET_LEN);
}

/* How long it takes does not tell how much of it was right. */
static bool fits(const char *secret, struct text guess)
{
    size_t len = strlen(secret);
    unsigned different = 0;
    if (len == 0 || text_len(&guess) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        different |= (unsigned char)secret[i] ^ (unsigned char)guess.p[i];
    return different == 0;
}

bool session_secret_is(const struct session *s, struct text secret)
{
    return fits(s->secret, secret);
}

bool session_secret_fits(const struct session *s, struct text secret)
{
    return fits(s->secret, secret) || (!s->known && fits(s->last_secret, secret));
}
