/* A device in one file: joins a room, sends every `message` back to whom it came from, prints
 * offers and declines them, since it has no camera.
 *
 *     echo HOST PORT ROOM NAME        (SIGDEV_USER and SIGDEV_PASSWORD, if the broker wants them)
 *
 * Try it with a plain MQTT client:
 *     mosquitto_sub -t 'sigbridge/v1/rooms/lobby/peers/me/in/+' -v &
 *     mosquitto_pub -t 'sigbridge/v1/rooms/lobby/peers/echo1/in/me' \
 *                   -m '{"type":"message","data":{"hello":"world"}}' */
#include <sigdev/mosquitto.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_message(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                       bool to_room, void *user)
{
    (void)to_room;
    (void)user;
    printf("%s says %s\n", from, m->data.p);
    enum sigdev_error e = sigdev_send_message(dev, from, m->data.p);
    if (e)
        printf("not sent: %s\n", sigdev_error_text(e));
}

static void on_offer(struct sigdev *dev, const char *from, const struct sigdev_message *m,
                     void *user)
{
    (void)user;
    printf("%s offers, call \"%s\":\n%s", from, m->call.p, m->sdp.p);
    sigdev_send_bye(dev, from, m->call.p, "this device has no camera");
}

static void on_state(struct sigdev *dev, const struct sigdev_status *status, void *user)
{
    (void)dev;
    (void)user;
    printf("%s", sigdev_state_text(status->state));
    if (status->error)
        printf(": %s", status->text);
    if (status->retry_ms)
        printf(", next try in %lld ms", (long long)status->retry_ms);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: echo HOST PORT ROOM NAME\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* whoever reads it through a pipe sees it at once */
    struct sigdev_config config = {
        .host = argv[1],
        .port = (uint16_t)atoi(argv[2]),
        .room = argv[3],
        .peer = argv[4],
        .user = getenv("SIGDEV_USER"),
        .password = getenv("SIGDEV_PASSWORD"),
        .meta = "{\"name\":\"Echo\"}",
        .on = {.message = on_message, .offer = on_offer, .state = on_state},
    };
    /* Signals go to sigwait() below, not into the device's thread. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);

    struct sigdev *dev;
    char why[128];
    if (sigdev_create(&config, &dev, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    enum sigdev_error e = sigdev_start(dev);
    int signal_number;
    if (!e) {
        sigwait(&ends, &signal_number);
        e = sigdev_stop(dev, 1000);
    }
    if (e)
        fprintf(stderr, "%s\n", sigdev_error_text(e));
    sigdev_destroy(dev);
    return e ? 1 : 0;
}
