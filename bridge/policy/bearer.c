#include "policy/bearer.h"

struct text bearer_token(struct text authorization)
{
    static const char scheme[] = "bearer ";
    enum { LEN = sizeof scheme - 1 };
    struct text t = authorization;
    if (text_len(&t) < LEN || !text_equals_nocase(text_of(t.p, LEN), scheme))
        return text_of_str("");
    t.p += LEN;
    while (!text_end(&t) && *t.p == ' ')
        t.p++;
    while (!text_end(&t) && t.end[-1] == ' ')
        t.end--;
    return t;
}
