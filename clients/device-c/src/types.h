/* The two names of a message type: ours and proto's. Not installed. */
#ifndef SIGDEV_SRC_TYPES_H
#define SIGDEV_SRC_TYPES_H

#include <sigdev/core.h>

#include "proto/envelope.h"

/* False: not a type that devices know. */
bool types_to_wire(enum sigdev_type type, enum msg_type *out);
bool types_from_wire(enum msg_type type, enum sigdev_type *out);

#endif
