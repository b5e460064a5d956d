/* What fuzz_router plays around the core, in parts: clients with their sockets (router_clients.c)
 * and what they say to each other (router_said.c), another bridge (router_other.c), the broker and
 * time (fuzz_router.c); and what must hold after each step (router_checks.c). */
#ifndef SIGBRIDGE_FUZZ_ROUTER_PLAY_H
#define SIGBRIDGE_FUZZ_ROUTER_PLAY_H

#include "core/router.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOCKETS = 4, QUEUE_MAX = 64, VIEW_MAX = 64, SESSION_TEXT_MAX = 96, QUESTIONS = 8 };

/* Who is in the room, as frames say. */
struct view {
    char names[VIEW_MAX][NAME_MAX_BYTES + 1];
    size_t count;
    bool lost; /* more peers than fit */
};

struct socket {
    struct session *session; /* NULL: nobody's */
    bool open;
    bool closing;
    bool full;          /* the next frame does not fit */
    uint64_t seq;       /* of the last numbered frame that was sent to it */
    uint64_t mark;      /* of what its client has read last */
    unsigned welcome;   /* how many `joined` and `resumed` were sent to it */
    unsigned next_said; /* the number that it may hear next, since the last of these */
    struct frame *first, *last;
    size_t queued;
    struct view view; /* what its client knows when it has read everything */
    /* From `resumed` on, until the frames that were missed are there: */
    bool catching_up, compare;
    uint64_t until;
    struct view expected;
};

/* What a client has read. It outlives the socket. */
struct client {
    char session[SESSION_TEXT_MAX], secret[SESSION_SECRET_LEN + 1]; /* what it was told last */
    uint64_t seq;
    unsigned welcome; /* how many it has read on this socket */
    bool lied;        /* said something else than what it has read */
    bool view_known;
    struct view view;
};

/* A question of ours to another bridge. */
struct question {
    char own[SESSION_OWN_LEN + 1], to[8], peer[NAME_MAX_BYTES + 1];
    uint64_t ask, seq, said_missed;
    unsigned said_known; /* a bit for each name in other_names */
    bool granted, compare;
    struct view view; /* what the other bridge said that the client knows */
};

/* What the other bridge takes, or took last, from us. */
struct taking {
    char sid[SESSION_ID_LEN + 1], by[8], room[NAME_MAX_BYTES + 1], peer[NAME_MAX_BYTES + 1];
    uint64_t ask, seq, missed;
    bool granted;
    char *said[QUEUE_MAX]; /* what we gave, without `ask`: `knows`, `missed`, `state` */
    size_t said_len[QUEUE_MAX], said_at[QUEUE_MAX];
    size_t said_count;
};

extern struct router router;
extern struct now now;
extern struct socket sockets[SOCKETS];
extern struct client clients[SOCKETS];
extern struct question questions[QUESTIONS];
extern struct taking taking;
extern bool held; /* clients' messages, says the router */

#define require(holds) require_at((holds), __FILE__, __LINE__)

static inline void require_at(bool holds, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold\n", file, line);
    abort();
}

/* A plain string into a buffer that takes it, cut off if need be. */
void copy_text(char *to, size_t size, struct text t);

/* Clients. */
extern const struct socket_ops client_ops;
void clients_begin(void);
void client_open_or_close(struct socket *s);
void client_lose(struct socket *s);
void client_read(struct socket *s, size_t count);
void client_pong(struct socket *s);
void client_resume(struct socket *s, uint8_t how);
void view_add(struct view *v, struct text name);

/* What they say in good order. */
void said_begin(void);
bool said_is(const char *bytes, size_t len);                       /* could it be taken for that? */
void client_says(struct socket *s, const char *bytes, size_t len); /* a message for each byte */
/* A frame went to the socket: an answer, or a message from another member. */
void said_heard(struct socket *s, struct json_span type, struct json_span id);

/* The other bridge. */
void other_begin(void);
void other_end(void);
void other_hears(const char *topic, struct text payload); /* what we publish */
void other_answers(uint8_t how, const char *bytes, size_t len);
void other_takes(uint8_t how);
void other_marks(uint8_t how);
void other_shows(uint8_t how);
void other_status(uint8_t how);
const struct question *question_for(const struct session *s); /* or NULL */

/* `sent` begins anew for the session with this own part of the id: another bridge made it up. */
void forget_sent(const char *own);

size_t published_owed(void); /* messages of sessions whose outcome is not known yet */
void check_everything(void);

#endif
