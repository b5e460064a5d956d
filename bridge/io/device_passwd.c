#include "io/device_passwd.h"

#include <string.h>

static bool is_of(struct text line, const char *name)
{
    return text_literal(&line, name) && text_char(&line, ':');
}

bool device_passwd_has(struct text file, const char *name)
{
    struct text line;
    while (text_line(&file, &line))
        if (is_of(line, name))
            return true;
    return false;
}

static void put_user(struct buf *b, const char *name, const char *hash)
{
    buf_str(b, name);
    buf_char(b, ':');
    buf_str(b, hash);
    buf_char(b, '\n');
}

void device_passwd_put(struct buf *b, struct text file, const char *name, const char *hash)
{
    struct text line;
    while (text_line(&file, &line)) {
        if (!is_of(line, name)) {
            buf_add(b, line.p, text_len(&line));
            buf_char(b, '\n');
        } else if (hash) {
            put_user(b, name, hash);
            hash = NULL;
        }
    }
    if (hash)
        put_user(b, name, hash);
}
