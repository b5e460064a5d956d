/* What a verified token allows (protocol, section 9): which rooms, as which peer, to send what,
 * with which description, until when. Made by token_verify(), asked by the router.
 *
 * An access is one allocation: a small head and the texts behind it. It never changes, so its texts
 * live as long as it does. Threads: plain data; asking never allocates. */
#ifndef SIGBRIDGE_POLICY_ACCESS_H
#define SIGBRIDGE_POLICY_ACCESS_H

#include "base/buf.h"
#include "base/problem.h"
#include "base/text.h"
#include "proto/envelope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACCESS_ROOMS_MAX = 64,  /* entries of the claim `rooms` */
    ACCESS_WORDS_MAX = 64,  /* entries of the claim `can`, unknown ones counted */
    ACCESS_META_MAX = 4096, /* bytes of the claim `meta`, as written in the token */
};

struct access;

void access_destroy(struct access *a); /* NULL is fine */

int64_t access_expires_ms(const struct access *a);  /* wall clock; from this moment on it is over */
struct text access_subject(const struct access *a); /* empty: any peer name */
struct text access_meta(const struct access *a);    /* a checked JSON object; empty: none */

/* Is the room one of the claim's names, or does it begin with one that ends in `*`? Without the
 * claim there is no room. */
bool access_room(const struct access *a, struct text room);
bool access_peer(const struct access *a, struct text peer);
/* `offer` in the claim `can` covers invite, offer and sealed (which may hold an offer), `message`
 * covers message; everything else is free. */
bool access_sends(const struct access *a, enum msg_type type);
bool access_admin(const struct access *a);

/* The claims as an object that access_create() reads, `exp` not among them: for another bridge. */
void access_put_claims(struct buf *b, const struct access *a);

/* For token.c: the claims sub, rooms, can and meta of a payload that passed json_object(), whose
 * signature was checked before. Other members are ignored. STATUS_OK; STATUS_UNAUTHORIZED with a
 * sentence that names the claim, never what it holds; STATUS_NO_MEMORY. */
enum status access_create(const struct json_member *claims, size_t count, int64_t expires_ms,
                          struct access **out, struct problem *why);

#endif
