#include "io/broker_log.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { READ_BYTES = 4096, READS_MAX = 8 };

void broker_log_init(struct broker_log *l)
{
    memset(l, 0, sizeof *l);
}

/* mosquitto does not write the level of a line; errors and warnings mostly begin with the word. One
 * of them is none: it tries TCP_NODELAY on each connection, also on those of the Unix socket. */
static bool is_trouble(const char *line)
{
    if (strcmp(line, "Warning: Unable to set TCP_NODELAY.") == 0)
        return false;
    return strncasecmp(line, "error", 5) == 0 || strncasecmp(line, "warning", 7) == 0 ||
           strncasecmp(line, "out of memory", 13) == 0;
}

static void line_done(struct broker_log *l)
{
    if (l->len == 0)
        return;
    l->line[l->len] = '\0';
    bool trouble = is_trouble(l->line);
    if (trouble || !l->last_is_error) {
        memcpy(l->last, l->line, l->len + 1);
        l->last_is_error = trouble;
    }
    if (strcmp(l->line, "Error: Couldn't open database.") == 0)
        l->says_damaged = true;
    log_line(trouble ? LOG_WARN : LOG_DEBUG, "broker", LOG_T("text", l->line, l->len), LOG_END);
    l->len = 0;
}

void broker_log_add(struct broker_log *l, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n')
            line_done(l);
        else if (l->len < sizeof l->line - 1)
            l->line[l->len++] = bytes[i];
    }
}

bool broker_log_read(struct broker_log *l, int fd)
{
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t len = read(fd, bytes, sizeof bytes);
        if (len <= 0)
            return len < 0 && (errno == EAGAIN || errno == EINTR);
        broker_log_add(l, bytes, (size_t)len);
    }
    return true;
}
