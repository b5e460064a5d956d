/* Any bytes as a viewer's description: what the camera reads in it and writes from it must be
 * readable again, and mean the same. */
#include "choice.h"
#include "remote.h"
#include "rewrite.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_webrtc(const struct remote *r, const struct choice *c)
{
    const bool send[KIND_COUNT] = {c->mline[KIND_VIDEO] >= 0, c->mline[KIND_AUDIO] >= 0};
    static struct remote again;
    struct choice choice;
    struct buf out;
    buf_init(&out, 1 << 20);
    rewrite_for_webrtc(r, c, REWRITE_OFFER, &out);
    require(buf_ok(&out));
    require(remote_read(out.data, out.len, &again, NULL) == STATUS_OK);
    require(again.count == choice_count(c));
    require(choice_make(&again, send, c->codec[send[KIND_VIDEO] ? KIND_VIDEO : KIND_AUDIO], &choice,
                        NULL) == STATUS_OK);
    for (int k = 0; k < KIND_COUNT; k++) {
        require((choice.mline[k] >= 0) == send[k]);
        if (send[k]) {
            require(choice.codec[k] == c->codec[k]);
            require(again.media[choice.mline[k]].codec[c->codec[k]].payload ==
                    r->media[c->mline[k]].codec[c->codec[k]].payload);
        }
    }
    buf_release(&out);
}

static void check_answer(const struct remote *r, const struct choice *c)
{
    static const unsigned sections[KIND_COUNT] = {0, 0};
    static struct remote again;
    struct rewrite_local local = {r, text_of("", 0), sections, 1, 1};
    struct buf out;
    buf_init(&out, 1 << 20);
    if (!r->media[0].rejected) { /* it lends us its transport */
        rewrite_answer(r, c, &local, &out);
        require(buf_ok(&out));
        require(remote_read(out.data, out.len, &again, NULL) == STATUS_OK);
        require(again.count == r->count);
        for (unsigned i = 0; i < r->count; i++)
            require(again.media[i].rejected ==
                    (c->mline[KIND_VIDEO] != (int)i && c->mline[KIND_AUDIO] != (int)i));
    }
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bool send[KIND_COUNT] = {true, true};
    static struct remote r;
    struct problem why;
    struct choice c;
    enum status status = remote_read((const char *)data, size, &r, &why);
    require(status == STATUS_OK || status == STATUS_INVALID_SDP);
    if (status == STATUS_OK &&
        choice_make(&r, send, size % 2 ? CODEC_VP8 : CODEC_H264, &c, &why) == STATUS_OK) {
        check_webrtc(&r, &c);
        check_answer(&r, &c);
    }
    struct remote_walk walk = {text_of((const char *)data, size), -1};
    struct text line;
    while (remote_next_candidate(&walk, &line))
        require(text_end(&line) || text_len(&line) <= size);
    return 0;
}
