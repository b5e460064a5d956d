#include "io/mqtt_resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mqtt_question {
    struct gaicb request;
    struct addrinfo hints;
    char host[]; /* NUL-terminated */
};

bool mqtt_resolve_needed(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return host[0] != '/' && inet_pton(AF_INET, host, bytes) != 1 &&
           inet_pton(AF_INET6, host, bytes) != 1;
}

static bool ask(struct mqtt_resolve *r, const char *host)
{
    size_t len = strlen(host) + 1;
    struct mqtt_question *q = calloc(1, sizeof *q + len);
    if (!q)
        return false;
    memcpy(q->host, host, len);
    q->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    q->request.ar_name = q->host;
    q->request.ar_request = &q->hints;
    struct gaicb *list[] = {&q->request};
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(q);
        return false;
    }
    r->question = q;
    return true;
}

static bool take_address(struct mqtt_resolve *r, const struct addrinfo *found)
{
    unsigned count = 0;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        count++;
    if (count == 0)
        return false;
    const struct addrinfo *a = found;
    for (unsigned skip = r->turn++ % count; skip > 0; skip--)
        a = a->ai_next;
    return getnameinfo(a->ai_addr, a->ai_addrlen, r->address, sizeof r->address, NULL, 0,
                       NI_NUMERICHOST) == 0;
}

static void forget(struct mqtt_resolve *r)
{
    if (r->question->request.ar_result)
        freeaddrinfo(r->question->request.ar_result);
    free(r->question);
    r->question = NULL;
}

enum mqtt_resolved mqtt_resolve(struct mqtt_resolve *r, const char *host)
{
    if (!r->question && !ask(r, host)) {
        r->why = "out of memory or threads";
        return MQTT_RESOLVE_FAILED;
    }
    int rc = gai_error(&r->question->request);
    if (rc == EAI_INPROGRESS)
        return MQTT_RESOLVE_WAIT;
    bool good = rc == 0 && take_address(r, r->question->request.ar_result);
    r->why = good ? NULL : gai_strerror(rc ? rc : EAI_NONAME);
    forget(r);
    return good ? MQTT_RESOLVE_DONE : MQTT_RESOLVE_FAILED;
}

void mqtt_resolve_release(struct mqtt_resolve *r)
{
    if (r->question && gai_cancel(&r->question->request) != EAI_NOTCANCELED)
        forget(r);
    r->question = NULL;
}
