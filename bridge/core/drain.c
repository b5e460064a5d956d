/* The end of a bridge: its sessions are told to go elsewhere, and wait to be taken over there. */
#include "base/clock.h"
#include "core/away.h"
#include "core/membership.h"
#include "core/roster.h"
#include "core/router.h"
#include "core/takeover.h"
#include "core/watch.h"

/* The later ones of many come back in their turn, and all of them within the time there is. */
static uint64_t retry_after_ms(const struct router *r, int64_t within_us)
{
    uint64_t spread = 2000 + r->joined_count;
    uint64_t most = within_us > 0 ? (uint64_t)within_us / 2000 : spread;
    return 100 + clock_random() % (spread < most ? spread : most + 1);
}

static void tell_closing(struct router *r, struct session *s, const char *reason, int64_t within_us)
{
    buf_clear(&r->out);
    buf_str(&r->out, "{\"type\":\"closing\",\"reason\":");
    json_put_str(&r->out, reason);
    buf_str(&r->out, ",\"retryAfter\":");
    buf_uint(&r->out, retry_after_ms(r, within_us));
    buf_char(&r->out, '}');
    router_send(r, s);
}

/* Its client comes back somewhere else: what is its own stays until then. So does what another
 * bridge has let go, once it is here. */
static bool lay_aside(struct router *r, struct session *s)
{
    if (!takeover_goes_on(s) && !away_begin(r, s))
        return false;
    router_part(r, s, 1012, "the bridge is going down", true);
    return true;
}

void router_drain(struct router *r, const char *reason, int64_t within_us, struct now now)
{
    struct link *l = r->sessions.next;
    router_enter(r, now);
    r->draining = true;
    roster_flush(r);
    bool wait = within_us > 0 && r->bus_up && bridges_others_run(r);
    while (l != &r->sessions) {
        struct session *s = LIST_ITEM(l, struct session, in_all);
        l = l->next;
        if (s->socket)
            tell_closing(r, s, reason, wait ? within_us : 0);
        if ((wait && s->away) || s->state == SESSION_HANDING || (wait && lay_aside(r, s)))
            continue;
        membership_leave(r, s, "drain", text_of_str(""));
        router_close_socket(r, s, 1012, reason);
    }
}

bool router_drained(const struct router *r)
{
    return r->joined_count == 0 && r->asking_count == 0 && list_empty(&r->handing);
}

void router_drain_end(struct router *r, struct now now)
{
    struct link *l = r->sessions.next;
    router_enter(r, now);
    while (l != &r->sessions) {
        struct session *s = LIST_ITEM(l, struct session, in_all);
        l = l->next;
        if (s->state != SESSION_IDLE)
            membership_leave(r, s, "drain", text_of_str(""));
    }
    watch_publish_status(r, false);
}
