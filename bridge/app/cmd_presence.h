/* `sigbridge presence`: who is present, and who was, out of the database of a bridge that may or
 * may not be running.
 *
 * Threads: none but the caller's; reads the database, writes to standard output. */
#ifndef SIGBRIDGE_APP_CMD_PRESENCE_H
#define SIGBRIDGE_APP_CMD_PRESENCE_H

/* argv: what follows the word `presence`. The process's exit code: 0 done, 1 the database cannot be
 * read, 2 wrong usage. */
int cmd_presence(int argc, char **argv);

#endif
