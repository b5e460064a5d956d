/* A broker that misbehaves on demand: just enough MQTT to get as far as the fault. */
#ifndef TEST_DEVICE_FAKE_H
#define TEST_DEVICE_FAKE_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>

enum fault {
    FAULT_FULL,    /* takes no connection: connect() hangs */
    FAULT_SILENT,  /* takes the connection, answers nothing */
    FAULT_CLOSES,  /* closes when it has read the CONNECT */
    FAULT_GARBAGE, /* answers something that is not MQTT */
    FAULT_NO_SUBACK,
    FAULT_REFUSES_INBOX,  /* SUBACK refuses the first filter */
    FAULT_REFUSES_SECOND, /* ... the second one */
    FAULT_NO_PUBACK,
    FAULT_SMALL_PACKETS, /* MQTT 5: announces that it takes 600 bytes at most */
    FAULT_DISCONNECTS,   /* MQTT 5: after the presence, "session taken over" */
    FAULT_NO_GOODBYE,    /* acknowledges one publish, none after it */
    FAULT_RESETS,        /* resets the connection when the first bytes came */
    FAULT_ONE_RECORD,    /* after the presence, FAKE_BURST offers in one write, then nothing */
    FAULT_LOSES_ONE,     /* breaks off at the first message instead of acknowledging it */
    FAULT_REFUSES_OWN,   /* SUBACK refuses the device its own presence */
    FAULT_REPEATS        /* after the presence, one message three times: new, DUP, DUP */
};

enum { FAKE_BURST = 400 };

struct fake {
    int listener;
    int port;
    int fill[8];  /* connections that fill the queue of FAULT_FULL */
    int taken[8]; /* their other ends, after fake_make_room() */
    enum fault fault;
    bool v5;
    pthread_t thread;
    bool lost;    /* FAULT_LOSES_ONE has done so */
    SSL_CTX *tls; /* NULL: plain */
    int fd;       /* the connection that is served */
    SSL *ssl;
};

/* cert, key: PEM files; NULL: no TLS. */
void fake_start(struct fake *f, enum fault fault, bool v5, const char *cert, const char *key);
/* FAULT_FULL has room again: connections come about, and nobody reads from them. */
void fake_make_room(struct fake *f);
void fake_stop(struct fake *f);

#endif
