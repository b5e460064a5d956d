#include "policy/web_path.h"

static bool is_plain(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x20 && u != 0x7f && c != '\\' && c != '/';
}

bool web_path_ok(struct text path)
{
    struct text segment;
    if (text_len(&path) > WEB_PATH_MAX || text_end(&path))
        return false;
    while (text_char(&path, '/')) {
        if (text_end(&path))
            return true;
        if (!text_run(&path, is_plain, WEB_PATH_MAX, &segment))
            return false;
        if (*segment.p == '.' && !text_equals(segment, ".well-known"))
            return false;
    }
    return text_end(&path);
}
