/* The MQTT topics of the protocol, built and taken apart:
 *
 *     {prefix}/rooms/{room}/peers/{peer}/presence
 *     {prefix}/rooms/{room}/peers/{to}/in/{from}
 *     {prefix}/rooms/{room}/all/{from}
 *     {prefix}/bridges/{bridge}/status
 *     {prefix}/bridges/{bridge}/in/{from-bridge}
 *
 * Builders write into a buf and take names as given, so that "+" makes a subscription filter; names
 * from the network go through name_ok() first. Threads: pure functions. */
#ifndef SIGBRIDGE_PROTO_TOPIC_H
#define SIGBRIDGE_PROTO_TOPIC_H

#include "base/buf.h"
#include "base/text.h"

#include <stdbool.h>

#define TOPIC_PREFIX_DEFAULT "sigbridge/v1"
#define TOPIC_PREFIX_MAX     100
#define TOPIC_MAX            384 /* the longest topic: prefix, three names, the words between; and a NUL */

enum topic_kind { TOPIC_PRESENCE, TOPIC_INBOX, TOPIC_ALL, TOPIC_BRIDGE_STATUS, TOPIC_BRIDGE_INBOX };

struct topic {
    enum topic_kind kind;
    struct text room; /* PRESENCE, INBOX, ALL */
    struct text peer; /* whose presence or inbox: a peer, `_bridge`, or a bridge */
    struct text from; /* INBOX, ALL, BRIDGE_INBOX: the sender, as the broker's ACL vouches */
};

/* Spans point into `topic`. False: not one of ours, or a name in it is not allowed. Names are
 * checked;
 * `_bridge` passes as the owner of an inbox and as a sender. */
bool topic_parse(const char *prefix, const char *topic, size_t len, struct topic *out);

void topic_presence(struct buf *b, const char *prefix, struct text room, struct text peer);
void topic_inbox(struct buf *b, const char *prefix, struct text room, struct text to,
                 struct text from);
void topic_all(struct buf *b, const char *prefix, struct text room, struct text from);
void topic_bridge_status(struct buf *b, const char *prefix, struct text bridge);
void topic_bridge_inbox(struct buf *b, const char *prefix, struct text bridge, struct text from);

#endif
