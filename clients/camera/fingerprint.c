#include "fingerprint.h"

#include <glib.h>
#include <string.h>

static bool checksum_type(struct text hash, GChecksumType *out)
{
    static const struct {
        const char *name;
        GChecksumType type;
    } known[] = {{"sha-256", G_CHECKSUM_SHA256},
                 {"sha-384", G_CHECKSUM_SHA384},
                 {"sha-512", G_CHECKSUM_SHA512}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_equals_nocase(hash, known[i].name)) {
            *out = known[i].type;
            return true;
        }
    return false;
}

static bool same_digits(const char *digits, struct text fingerprint)
{
    for (size_t i = 0; digits[i] && digits[i + 1]; i += 2) {
        if (i > 0 && !text_char(&fingerprint, ':'))
            return false;
        for (size_t j = i; j < i + 2; j++)
            if (text_end(&fingerprint) || g_ascii_tolower(*fingerprint.p++) != digits[j])
                return false;
    }
    return text_end(&fingerprint);
}

bool fingerprint_matches(const char *pem, struct text hash, struct text fingerprint)
{
    static const char head[] = "-----BEGIN CERTIFICATE-----", foot[] = "-----END CERTIFICATE-----";
    GChecksumType type;
    const char *begin = strstr(pem, head);
    const char *end = begin ? strstr(begin, foot) : NULL;
    if (!end || !checksum_type(hash, &type))
        return false;
    begin += sizeof head - 1;
    char *base64 = g_strndup(begin, (size_t)(end - begin));
    gsize len = 0;
    guchar *der = g_base64_decode(base64, &len);
    char *digits = g_compute_checksum_for_data(type, der, len);
    bool same = len > 0 && same_digits(digits, fingerprint);
    g_free(digits);
    g_free(der);
    g_free(base64);
    return same;
}
