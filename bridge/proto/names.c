#include "proto/names.h"

#include "base/text.h"

bool name_ok(const char *bytes, size_t len)
{
    if (len < 1 || len > NAME_MAX_BYTES || !text_is_alnum(bytes[0]))
        return false;
    for (size_t i = 1; i < len; i++) {
        char c = bytes[i];
        if (!text_is_alnum(c) && c != '.' && c != '_' && c != '~' && c != '-')
            return false;
    }
    return true;
}

bool id_ok(const char *bytes, size_t len)
{
    if (len < 1 || len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!text_is_printable(bytes[i]))
            return false;
    return true;
}
