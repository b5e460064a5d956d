/* Around a device under test: a real mosquitto, a plain MQTT client that sees and says everything,
 * and logs in which one can wait for a line. All on the calling thread, but for the devices that
 * run their own. */
#ifndef TEST_DEVICE_WORLD_H
#define TEST_DEVICE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sigdev/mosquitto.h>
#include <sys/types.h>

/* Lines that may be added from any thread. */
struct log {
    pthread_mutex_t lock;
    int wake; /* eventfd: a line was added */
    unsigned count;
    unsigned cursor; /* lines before it were matched by expect() */
    char lines[1500][400];
};

void log_init(struct log *log);
void log_release(struct log *log);
void log_add(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
unsigned log_count(struct log *log, const char *part); /* lines with that part, of all so far */

struct broker {
    pid_t pid;
    int port;
    int out; /* its log */
    char dir[64];
};

/* A directory, a port and a configuration: `lines` on top of a listener on 127.0.0.1. NULL:
 * everybody may do everything. "@DIR@" and "@PORT@" are replaced. */
void broker_prepare(struct broker *b, const char *lines);
void broker_start(struct broker *b); /* returns when it listens */
void broker_kill(struct broker *b);  /* SIGKILL */
void broker_stop(struct broker *b);  /* SIGTERM: it saves what it is to keep */
void broker_release(struct broker *b);
const char *broker_path(const struct broker *b, const char *file); /* static buffer */

/* Runs a command line in the broker's directory; fails the test unless it exits with 0. */
void run_in(const struct broker *b, const char *command);

enum drive_way { OWN_THREAD, OUR_LOOP };

struct device {
    struct sigdev *dev;
    enum drive_way way;
    struct log log;
    bool auto_answer; /* answers offers, then a candidate */
    bool leave_on_bye;
    int64_t retry_ms[8]; /* what was said before each of the first attempts to come back */
    size_t retries;
    int64_t away_ms; /* what was said when it was last back; of use once it stands still */
};

struct world {
    struct broker broker;
    struct mosquitto *observer;
    struct log seen; /* "TOPIC PAYLOAD" of everything that the observer got */
    struct device *devices[4];
    unsigned device_count;
    unsigned services; /* calls of sigdev_service() for a readable descriptor */
};

/* lines as in broker_prepare(); the broker runs and the observer is subscribed to everything. */
void world_open(struct world *w, const char *lines);
void world_close(struct world *w);
void observer_connect(struct world *w, const char *user, const char *password);
void observer_disconnect(struct world *w);
void observer_publish(struct world *w, const char *topic, const char *payload, bool retain);

/* Fills in broker, handlers and short times, then what `change` says; creates and drives it. */
void device_config(struct world *w, struct device *d, struct sigdev_config *config);
void device_run(struct world *w, struct device *d, enum drive_way way,
                const struct sigdev_config *config);
/* Leaves in an orderly way and destroys; fails unless it left cleanly. */
void device_leave(struct world *w, struct device *d);
void device_destroy(struct world *w, struct device *d); /* as if it had crashed */

/* Until all that was sent is acknowledged: others may have a message before its PUBACK is here. */
struct sigdev_stats await_acknowledged(struct world *w, struct device *d);

/* Lets everybody work until a new line of the log has all of the part; fails after 20 s. Lines
 * before it are passed over. */
void expect(struct world *w, struct log *log, const char *part);
void pump(struct world *w, int timeout_ms);

#endif
