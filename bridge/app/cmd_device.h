/* `sigbridge device`: who may log in at the broker, and to which rooms. Works on the files of the
 * embedded broker, or on those of a mosquitto of one's own (--mosquitto); the secret of a new login
 * is printed once and kept nowhere.
 *
 * Threads: none but the caller's; changes files, signals the broker, writes to standard output. */
#ifndef SIGBRIDGE_APP_CMD_DEVICE_H
#define SIGBRIDGE_APP_CMD_DEVICE_H

/* argv: what follows the word `device`. The process's exit code: 0 done, 1 failed, 2 wrong usage.
 */
int cmd_device(int argc, char **argv);

#endif
