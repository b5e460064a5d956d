/* Two configurations: what differs, and how a running bridge takes over what it can.
 *
 *     struct config *fresh = config_load_again(running, &wrong);
 *     struct config would;
 *     config_preview(running, fresh, &would);   (what would run)
 *     config_check(&would, &wrong);
 *     ... make what is needed for it, which may fail ...
 *     config_take(running, fresh);
 *     ... hand it to those who use it ...
 *     config_free(fresh);                       (with what was in force before)
 *
 * What needs a restart keeps its place in memory for as long as the bridge runs: those who use it
 * may hold pointers to it. Threads: plain data. */
#ifndef SIGBRIDGE_CONFIG_CHANGE_H
#define SIGBRIDGE_CONFIG_CHANGE_H

#include "config/config.h"
#include "config/option.h"

enum config_change {
    CONFIG_SAME,
    CONFIG_CHANGED, /* and can be taken over */
    CONFIG_RESTART  /* changed, and cannot */
};

/* By value: where it was set does not count. Secrets that were read from files of their own belong
 * to the option that names the file. */
enum config_change config_compare(const struct option *o, const struct config *running,
                                  const struct config *fresh);

/* Fills *out with what config_take() would leave in `running`. A view: it owns nothing, and both
 * others must stay as they are while it is used. */
void config_preview(const struct config *running, const struct config *fresh, struct config *out);

/* Puts what can be taken over into `running`, and what that had into `fresh`. Cannot fail. */
void config_take(struct config *running, struct config *fresh);

#endif
