/* The embedded broker's listeners as seen from outside: is the port free, does the broker accept?
 * Addresses are numeric, so that nothing here waits for a name server. Connecting to an address of
 * this machine answers at once.
 *
 * Threads: any. */
#ifndef SIGBRIDGE_IO_BROKER_PORT_H
#define SIGBRIDGE_IO_BROKER_PORT_H

#include "base/problem.h"

#include <stdbool.h>

/* Finds out whether the broker will be able to listen there. *port: 0 becomes a port that is free
 * now, for whoever is fastest. Errors name --mqtt-listen. */
enum status broker_port_probe(const char *host, int *port, struct problem *why);

bool broker_port_accepts(const char *host, int port);
bool broker_socket_accepts(const char *path);

#endif
