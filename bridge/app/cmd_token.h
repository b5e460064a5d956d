/* `sigbridge token`: makes a token for trying out, or for a script; and the secret to make it with.
 *
 * Threads: none but the caller's; reads key files, writes to standard output. */
#ifndef SIGBRIDGE_APP_CMD_TOKEN_H
#define SIGBRIDGE_APP_CMD_TOKEN_H

/* argv: what follows the word `token`. The process's exit code: 0 done, 1 a key cannot be read,
 * used or written, 2 wrong usage or configuration. */
int cmd_token(int argc, char **argv);

#endif
