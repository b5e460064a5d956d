#include "candidate_use.h"

#include "proto/candidate.h"

enum candidate_use candidate_use(const char *line, size_t len)
{
    struct candidate c;
    if (candidate_parse(line, len, &c, NULL) != STATUS_OK || c.component != 1 ||
        c.transport != CANDIDATE_UDP || c.port == 0)
        return CANDIDATE_USELESS;
    switch (c.address.kind) {
    case ADDRESS_IP4:
    case ADDRESS_IP6:
        return CANDIDATE_USE;
    case ADDRESS_MDNS:
        return CANDIDATE_HIDDEN;
    case ADDRESS_NAME: /* webrtcbin would ask the DNS for it; no viewer sends one */
    case ADDRESS_NONE:
        break;
    }
    return CANDIDATE_USELESS;
}
