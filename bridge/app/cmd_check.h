/* `sigbridge check`: would the bridge take this payload? Prints a verdict for each, and why not.
 *
 * Threads: none but the caller's; reads files, writes to standard output. */
#ifndef SIGBRIDGE_APP_CMD_CHECK_H
#define SIGBRIDGE_APP_CMD_CHECK_H

/* argv: what follows the word `check`. The process's exit code: 0 all accepted, 1 one was refused,
 * 2 wrong usage, or a file that cannot be read. */
int cmd_check(int argc, char **argv);

#endif
