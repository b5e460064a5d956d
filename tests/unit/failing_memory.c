#include "failing_memory.h"

#include "test.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);
char *__real_getcwd(char *buf, size_t size);
char *__real_realpath(const char *path, char *out);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);
char *__wrap_getcwd(char *buf, size_t size);
char *__wrap_realpath(const char *path, char *out);
int __wrap_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *story_name = "";
static unsigned long allocations, fail_from, fail_count; /* fail_count 0: none fails */
static unsigned spared;                                  /* how often, one within the other */

static bool fails(void)
{
    if (spared)
        return false;
    allocations++;
    if (!fail_count || allocations < fail_from || allocations - fail_from >= fail_count)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t len)
{
    return fails() ? NULL : __real_strndup(s, len);
}

char *__wrap_getcwd(char *buf, size_t size)
{
    return !buf && fails() ? NULL : __real_getcwd(buf, size);
}

char *__wrap_realpath(const char *path, char *out)
{
    return !out && fails() ? NULL : __real_realpath(path, out);
}

int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list args;
    if (fails())
        return -1;
    va_start(args, format);
    int len = vasprintf(out, format, args);
    va_end(args);
    return len;
}

void memory_spare(bool yes)
{
    if (yes)
        spared++;
    else
        spared--;
}

void memory_holds(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    unsigned long from = fail_count ? fail_from : 0, count = fail_count;
    fail_count = 0;
    fail_msg("%s:%d: story \"%s\", %s from allocation %lu on (0: none): %s", file, line, story_name,
             count == 1 ? "one failure" : "failures", from, what);
}

bool memory_is_gone(void)
{
    return fail_count > 1;
}

static bool tell_plainly(const struct memory_story *s)
{
    fail_count = 0;
    spared = 0;
    return s->tell();
}

/* True when an allocation was there to fail. */
static bool tell_once(const struct memory_story *s, unsigned long from, unsigned long count)
{
    allocations = 0;
    fail_from = from;
    fail_count = count;
    spared = 0;
    bool went_well = s->tell();
    bool failed = allocations >= from;
    HOLDS(went_well || failed);
    HOLDS(!went_well || !failed || (s->traits & MEMORY_QUIET));
    HOLDS(tell_plainly(s));
    return failed;
}

void memory_tell(const struct memory_story *stories, size_t count)
{
    for (const struct memory_story *s = stories; s < stories + count; s++) {
        unsigned long n = 1;
        story_name = s->name;
        HOLDS(tell_plainly(s)); /* also: what is made once for all stories is made */
        while (tell_once(s, n, 1))
            n++;
        print_message("%s: %lu allocations\n", s->name, n - 1);
        HOLDS((n == 1) == ((s->traits & MEMORY_NONE) != 0));
        for (unsigned long from = 1; from < n; from++)
            tell_once(s, from, ULONG_MAX);
    }
}
