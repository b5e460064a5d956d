/* Any bytes through the SDP check. Beside memory errors it looks for refusals without a proper
 * reason, a line number that is not there, an answer that would not pass as an offer, and time that
 * is not linear. */
#include "proto/sdp.h"

#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far above what the instrumented code needs, far below what a quadratic one would. */
enum { ALLOWED_NS = 5000000, ALLOWED_NS_PER_BYTE = 1000 };

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The host may take the processor away in the middle and still charge us: only what is slow every
 * time is slow. */
static bool is_slow(enum sdp_kind kind, const char *sdp, size_t len)
{
    for (int tries = 0; tries < 5; tries++) {
        int64_t start = cpu_ns();
        sdp_check(kind, sdp, len, NULL);
        if (cpu_ns() - start < ALLOWED_NS + (int64_t)len * ALLOWED_NS_PER_BYTE)
            return false;
    }
    return true;
}

static unsigned count_lines(const char *s, size_t len)
{
    unsigned lines = len > 0 && s[len - 1] != '\n';
    for (size_t i = 0; i < len; i++)
        lines += s[i] == '\n';
    return lines;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static enum status check(enum sdp_kind kind, const char *sdp, size_t len)
{
    struct problem why;
    memset(&why, 0x5a, sizeof why);
    enum status status = sdp_check(kind, sdp, len, &why);
    require(!is_slow(kind, sdp, len));
    require(sdp_check(kind, sdp, len, NULL) == status);
    if (status == STATUS_OK)
        return status;
    require(status == STATUS_INVALID_SDP || status == STATUS_TOO_LARGE);
    require(why.status == status && why.rule && why.line <= count_lines(sdp, len));
    const char *end = memchr(why.text, '\0', sizeof why.text);
    require(end && end > why.text);
    for (const char *c = why.text; c < end; c++)
        require(text_is_printable(*c));
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum status offer = check(SDP_OFFER, (const char *)data, size);
    enum status answer = check(SDP_ANSWER, (const char *)data, size);
    require(answer != STATUS_OK || offer == STATUS_OK);
    return 0;
}
