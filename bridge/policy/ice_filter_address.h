/* Classes of addresses, by the registries of IANA, and networks. Private to ice_filter*.c. */
#ifndef SIGBRIDGE_POLICY_ICE_FILTER_ADDRESS_H
#define SIGBRIDGE_POLICY_ICE_FILTER_ADDRESS_H

#include "proto/address.h"
#include "proto/network.h"

enum ice_class {
    ICE_CLASS_PUBLIC,
    ICE_CLASS_PRIVATE,
    ICE_CLASS_LOOPBACK,
    ICE_CLASS_LINK_LOCAL,
    ICE_CLASS_MDNS,
    ICE_CLASS_NAME,
    ICE_CLASSES, /* those that a policy can list end here */
    ICE_CLASS_RESERVED = ICE_CLASSES,
    ICE_CLASS_UNSPECIFIED, /* all zero: stands for no address */
    ICE_CLASS_UNUSABLE     /* multicast, broadcast: nobody's own; or no address at all */
};

/* Looks through forms that carry another address: IPv4-mapped, NAT64, 6to4, Teredo. */
enum ice_class ice_class_of(const struct address *a);

/* A mapped address is in the networks of its IPv4 form. Names are in none. */
bool ice_network_has(const struct network *n, const struct address *a);

/* The same address, however it is written. */
bool ice_address_same(const struct address *a, const struct address *b);

#endif
