#include "feed.h"

#include "base/log.h"
#include "encoder.h"
#include "source.h"

struct feed {
    struct source *source;
    struct encoder *encoders[CODEC_COUNT]; /* NULL: sound, when it is off */
    unsigned users[CODEC_COUNT];
};

struct feed *feed_create(const struct options *options, char **why)
{
    struct feed *f = g_new0(struct feed, 1);
    f->source = source_create(options, why);
    if (!f->source)
        goto failed;
    for (int c = 0; c < CODEC_COUNT; c++) {
        if (codec_info((enum codec)c)->kind == KIND_AUDIO && !options->audio)
            continue;
        f->encoders[c] = encoder_create((enum codec)c, options, why);
        if (!f->encoders[c])
            goto failed;
    }
    return f;
failed:
    feed_destroy(f);
    return NULL;
}

void feed_destroy(struct feed *feed)
{
    if (!feed)
        return;
    for (int c = 0; c < CODEC_COUNT; c++)
        encoder_destroy(feed->encoders[c]);
    source_destroy(feed->source);
    g_free(feed);
}

static bool used(const struct feed *feed)
{
    unsigned users = 0;
    for (int c = 0; c < CODEC_COUNT; c++)
        users += feed->users[c];
    return users > 0;
}

void feed_use(struct feed *feed, enum codec codec)
{
    if (feed->users[codec]++ > 0)
        return;
    const struct codec_info *info = codec_info(codec);
    log_line(LOG_DEBUG, "encoder-start", LOG_S("codec", info->name), LOG_END);
    encoder_start(feed->encoders[codec], source_hub(feed->source, info->kind));
    source_start(feed->source);
}

void feed_unuse(struct feed *feed, enum codec codec)
{
    g_assert(feed->users[codec] > 0);
    if (--feed->users[codec] > 0)
        return;
    log_line(LOG_DEBUG, "encoder-stop", LOG_S("codec", codec_info(codec)->name), LOG_END);
    encoder_stop(feed->encoders[codec]);
    if (!used(feed))
        source_stop(feed->source);
}

struct hub *feed_hub(struct feed *feed, enum codec codec)
{
    return encoder_hub(feed->encoders[codec]);
}

void feed_want_key(struct feed *feed, enum codec codec)
{
    encoder_want_key(feed->encoders[codec]);
}
