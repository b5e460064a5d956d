/* Who may log in at the embedded broker: the bridge itself, as `_bridge` with a password that is
 * made at each start, and the devices that `sigbridge device` keeps. The files stand in the
 * broker's directory and belong to the user that it runs as.
 *
 * Threads: blocks on files. */
#ifndef SIGBRIDGE_IO_BROKER_LOGIN_H
#define SIGBRIDGE_IO_BROKER_LOGIN_H

#include "base/problem.h"
#include "io/broker_dir.h"

#define BROKER_LOGIN_ACL    "bridge.acl"
#define BROKER_LOGIN_PASSWD "bridge.passwd"

/* Writes the bridge's files with this password, and makes the devices' files where they are
 * missing: with no device in them. STATUS_IO or STATUS_NO_MEMORY. */
enum status broker_login_write(const struct broker_dir *d, const char *prefix, const char *password,
                               struct problem *why);

#endif
