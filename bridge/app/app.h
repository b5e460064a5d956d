/* Builds the bridge from a checked configuration, runs it until SIGTERM or SIGINT, takes it apart
 * in reverse. Threads: call it once, from the main thread, before there are any others. */
#ifndef SIGBRIDGE_APP_APP_H
#define SIGBRIDGE_APP_APP_H

struct config;

/* The data directory is open, locked and named (config/data_dir.h). Blocks. The process' exit code:
 * 0 after a clean end, 1 when something could not be started (a line in the log has said what, and
 * what to do). SIGHUP changes *c. */
int app_run(struct config *c);

#endif
