/* What a single text in the configuration can hold, beyond words and numbers: where to listen,
 * which key signs tokens, and the words of an ICE policy.
 *
 *     listen    127.0.0.1:8080   https://[::]:443   http://127.0.0.1:8081
 *     jwt_key   HS256:/etc/secret   RS256@2026-11:/etc/keys.pem   EdDSA:keys.json
 *
 * Checks return true, or false and a sentence fragment in *why (a static string). Threads: pure. */
#ifndef SIGBRIDGE_CONFIG_FORMS_H
#define SIGBRIDGE_CONFIG_FORMS_H

#include "config/option.h"

#include <stdbool.h>

extern const struct option_form form_listen;  /* struct listen */
extern const struct option_form form_jwt_key; /* struct jwt_key */

enum { JWT_KID_MAX = 64 };

bool room_pattern_ok(const char *str, const char **why); /* a name, or its beginning and a star */
bool ice_type_ok(const char *str, const char **why);
bool ice_transport_ok(const char *str, const char **why);
bool ice_address_class_ok(const char *str, const char **why);

#endif
