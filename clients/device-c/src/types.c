#include "types.h"

static const enum msg_type wire[] = {
    [SIGDEV_OFFER] = MSG_OFFER,
    [SIGDEV_ANSWER] = MSG_ANSWER,
    [SIGDEV_CANDIDATE] = MSG_CANDIDATE,
    [SIGDEV_CANDIDATES] = MSG_CANDIDATES,
    [SIGDEV_BYE] = MSG_BYE,
    [SIGDEV_INVITE] = MSG_INVITE,
    [SIGDEV_MESSAGE] = MSG_MESSAGE,
    [SIGDEV_SEALED] = MSG_SEALED,
    [SIGDEV_ERROR] = MSG_ERROR,
    [SIGDEV_ICE_SERVERS] = MSG_ICE_SERVERS,
};

bool types_to_wire(enum sigdev_type type, enum msg_type *out)
{
    if (type < SIGDEV_OFFER || type > SIGDEV_ICE_SERVERS)
        return false;
    *out = wire[type];
    return true;
}

bool types_from_wire(enum msg_type type, enum sigdev_type *out)
{
    for (int t = SIGDEV_OFFER; t <= SIGDEV_ICE_SERVERS; t++) {
        if (wire[t] == type) {
            *out = (enum sigdev_type)t;
            return true;
        }
    }
    return false;
}

const char *sigdev_type_text(enum sigdev_type type)
{
    enum msg_type t;
    return types_to_wire(type, &t) ? msg_type_name(t) : "?";
}
