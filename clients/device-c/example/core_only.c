/* The core with no MQTT library at all: a viewer's offer and a camera's answer go from one buffer
 * into another, as they would over any MQTT client. Prints what each side understands. */
#include <sigdev/core.h>

#include <stdio.h>
#include <string.h>

static const struct sigdev_self camera = {.room = "lobby", .peer = "cam1"};
static const struct sigdev_self viewer = {.room = "lobby", .peer = "viewer"};

/* What an MQTT client would carry. */
struct packet {
    char topic[SIGDEV_TOPIC_SIZE];
    char payload[SIGDEV_MESSAGE_SIZE(2000)];
    size_t len;
};

static enum sigdev_error publish(const struct sigdev_self *from, const char *to,
                                 const struct sigdev_message *m, struct packet *out)
{
    enum sigdev_error e = sigdev_topic_to(from, to, out->topic, sizeof out->topic);
    if (!e)
        e = sigdev_write(m, out->payload, sizeof out->payload, &out->len);
    if (!e)
        printf("%s -> %s\n  %.*s\n", from->peer, out->topic, (int)out->len, out->payload);
    return e;
}

static enum sigdev_error receive(const struct sigdev_self *self, struct packet *in,
                                 struct sigdev_topic *topic, struct sigdev_message *m)
{
    char why[128] = "";
    enum sigdev_error e = sigdev_topic_parse(self, in->topic, strlen(in->topic), topic);
    if (!e)
        e = sigdev_parse(self, topic, in->payload, in->len, m, why, sizeof why);
    if (e)
        fprintf(stderr, "%s: %s: %s\n", self->peer, sigdev_error_text(e), why);
    else
        printf("%s: %s from %s, call \"%s\"\n", self->peer, sigdev_type_text(m->type), topic->from,
               m->call.p);
    return e;
}

int main(void)
{
    static struct packet wire;
    struct sigdev_topic topic;
    struct sigdev_message in;
    struct sigdev_message offer = {.type = SIGDEV_OFFER,
                                   .call = sigdev_str("tab-1"),
                                   .sdp = sigdev_str("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n"
                                                     "t=0 0\r\n"),
                                   .sent_ms = 1767225600000};
    if (publish(&viewer, "cam1", &offer, &wire) || receive(&camera, &wire, &topic, &in))
        return 1;
    if (in.type != SIGDEV_OFFER || strcmp(in.sdp.p, offer.sdp.p) != 0)
        return 1;

    /* `in` lies inside wire.payload: keep what the answer needs before that is used again. */
    char call[SIGDEV_ID_MAX + 1];
    snprintf(call, sizeof call, "%s", in.call.p);
    struct sigdev_message answer = {
        .type = SIGDEV_ANSWER, .call = sigdev_str(call), .sdp = sigdev_str("v=0\r\ns=answer\r\n")};
    if (publish(&camera, topic.from, &answer, &wire) || receive(&viewer, &wire, &topic, &in))
        return 1;

    struct sigdev_candidate found[] = {
        {.candidate = sigdev_str("candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"),
         .mid = sigdev_str("0"),
         .has_mline = true},
        {.end = true},
    };
    struct sigdev_message trickle = {
        .type = SIGDEV_CANDIDATES, .call = sigdev_str(call), .bundle = found, .bundle_len = 2};
    if (publish(&camera, "viewer", &trickle, &wire) || receive(&viewer, &wire, &topic, &in))
        return 1;
    struct sigdev_list list = in.candidates;
    struct sigdev_candidate c;
    while (sigdev_next_candidate(&list, &c) == SIGDEV_OK)
        printf("  %s\n", c.end ? "(end of candidates)" : c.candidate.p);
    return 0;
}
