/* Several bridges on one broker: who acts for all, and whose sessions are cleared. We are b1. */
#include "test.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

/* One step: "+name run" its status says online, "-name run" offline, "<name sid" presence of a peer
 * with that session comes, "wait ms", "link …" the connection breaks, comes back, "gone sid" and
 * "here sid": the broker does not hold that presence any more, or still does, "first" and "second":
 * we act, or another one does. */
static bool step(const char *s)
{
    char topic[96], payload[96], name[32], word[32] = "";
    bool ok = true;
    if (sscanf(s + 1, "%31s %31s", name, word) < 1)
        return false;
    if (*s == '+' || *s == '-') {
        snprintf(topic, sizeof topic, "p/bridges/%s/status", name);
        snprintf(payload, sizeof payload, "{\"online\":%s,\"run\":\"%s\"}",
                 *s == '+' ? "true" : "false", word);
        world_publish(&w, topic, payload, true);
    } else if (*s == '<') {
        snprintf(topic, sizeof topic, "p/rooms/r/peers/%s/presence", word);
        snprintf(payload, sizeof payload, "{\"via\":\"%s\",\"sid\":\"%s\"}", name, word);
        world_publish(&w, topic, payload, true);
    } else if (strncmp(s, "wait", 4) == 0) {
        world_later(&w, atoi(word));
    } else if (strcmp(s, "link down and up") == 0) {
        world_drop_link(&w);
        world_restore_link(&w);
    } else if (strcmp(s, "link down") == 0) {
        world_drop_link(&w);
        return true;
    } else if (strcmp(s, "link up") == 0) {
        world_restore_link(&w);
    } else if (strncmp(s, "gone", 4) == 0 || strncmp(s, "here", 4) == 0) {
        snprintf(topic, sizeof topic, "p/rooms/r/peers/%s/presence", word);
        ok = (world_retained(&w, topic) != NULL) == (*s == 'h');
    } else {
        ok = bridges_first(&w.router) == (*s == 'f');
    }
    if (w.router.bus_up) /* else the broker has it for later */
        world_settle(&w);
    return ok;
}

static void scripts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *steps[12];
    } rows[] = {
        {"alone", {"first of all"}},
        {"another one sorts before", {"+b0 x", "second to it", "-b0 x", "first of all"}},
        {"another one sorts behind", {"+b10 x", "first of all", "+b2 y", "first of all"}},
        {"a will clears in time",
         {"+b2 x", "<b2 x-1", "-b2 x", "wait 1999", "here x-1", "wait 2", "gone x-1"}},
        {"the wills of a broker that goes down clear nothing",
         {"+b2 x", "<b2 x-1", "-b2 x", "wait 1", "link down and up", "wait 7000", "+b2 x",
          "wait 9000", "here x-1"}},
        {"nor when they come after it came back",
         {"+b2 x", "<b2 x-1", "link down", "-b2 x", "link up", "wait 7000", "+b2 x", "wait 9000",
          "here x-1"}},
        {"without having seen it", {"<b2 x-1", "-b2 x", "wait 2001", "gone x-1"}},
        {"the late will of an earlier run",
         {"+b2 y", "<b2 y-1", "-b2 x", "wait 60000", "here y-1", "+b2 y", "here y-1"}},
        {"what an earlier run left",
         {"<b2 x-1", "+b2 y", "wait 7000", "here x-1", "wait 1001", "gone x-1"}},
        {"the first one clears, not we",
         {"+b0 x", "+b2 y", "<b2 y-1", "-b2 y", "wait 2001", "here y-1"}},
        {"the first one died, too",
         {"+b0 x", "+b2 y", "<b2 y-1", "-b2 y", "wait 1", "here y-1", "-b0 x", "wait 8001",
          "gone y-1"}},
        {"a replayed end waits, and it comes back",
         {"<b2 x-1", "+b2 x", "link down and up", "wait 7000", "+b2 x", "wait 2000", "here x-1"}},
        {"a status that is not renewed",
         {"+b0 x", "<b0 x-1", "wait 179000", "second to it", "wait 1001", "first of all",
          "gone x-1"}},
        {"a status that is renewed",
         {"+b2 x", "<b2 x-1", "wait 100000", "+b2 x", "wait 179000", "here x-1"}},
        {"nobody knows that bridge",
         {"<b7 x-1", "link down and up", "wait 1", "here x-1", "wait 8001", "gone x-1"}},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        world_init(&w, true);
        for (size_t k = 0; k < ROWS(rows[i].steps) && rows[i].steps[k]; k++) {
            char name[128];
            snprintf(name, sizeof name, "%s: %s", rows[i].name, rows[i].steps[k]);
            ROW(name, step(rows[i].steps[k]));
        }
        world_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
