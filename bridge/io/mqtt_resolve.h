/* The address of a broker that was given by name, without keeping the loop waiting: a name server
 * that does not answer takes 10 s and more. glibc asks in a thread of its own; one question at a
 * time is under way, however often it is asked for.
 *
 * Threads: one owner. */
#ifndef SIGBRIDGE_IO_MQTT_RESOLVE_H
#define SIGBRIDGE_IO_MQTT_RESOLVE_H

#include <stdbool.h>

enum mqtt_resolved { MQTT_RESOLVE_WAIT, MQTT_RESOLVE_DONE, MQTT_RESOLVE_FAILED };

struct mqtt_question;

struct mqtt_resolve {
    struct mqtt_question *question; /* NULL: none is under way */
    unsigned turn;                  /* which of several addresses is next */
    const char *why;                /* after FAILED; static */
    char address[64];               /* after DONE, numeric */
};

/* False for numeric addresses and paths of Unix sockets. */
bool mqtt_resolve_needed(const char *host);
/* Asks, or looks whether there is an answer. Ask again after WAIT, and for each new attempt: of
 * several addresses the next one comes each time. */
enum mqtt_resolved mqtt_resolve(struct mqtt_resolve *r, const char *host);
/* Forgets the question. If it is still under way, its memory stays with glibc until the process
 * ends. */
void mqtt_resolve_release(struct mqtt_resolve *r);

#endif
