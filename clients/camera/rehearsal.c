#include "rehearsal.h"

#include <glib.h>

#include "base/clock.h"
#include "session.h"

struct rehearsal {
    struct session *session; /* NULL: over */
};

static void over(struct rehearsal *r)
{
    session_destroy(r->session);
    r->session = NULL;
}

static void on_description(void *user, bool offer, const char *sdp)
{
    (void)offer;
    (void)sdp;
    over(user);
}

static void on_candidate(void *user, const struct session_candidate *candidate)
{
    (void)user;
    (void)candidate;
}

static void on_connected(void *user, const char *codec)
{
    (void)user;
    (void)codec;
}

static void on_ended(void *user, const char *reason)
{
    (void)reason;
    over(user);
}

struct rehearsal *rehearsal_begin(struct feed *feed)
{
    struct rehearsal *r = g_new0(struct rehearsal, 1);
    struct session_config config = {
        .feed = feed,
        .send = {[KIND_VIDEO] = true},
        .on = {on_description, on_candidate, on_connected, on_ended},
        .user = r,
    };
    char *why = NULL;
    r->session = session_create(&config, clock_mono_us(), &why);
    if (!r->session || !session_invite(r->session)) {
        rehearsal_end(r);
        r = NULL;
    }
    g_free(why);
    return r;
}

void rehearsal_end(struct rehearsal *rehearsal)
{
    if (!rehearsal)
        return;
    over(rehearsal);
    g_free(rehearsal);
}
