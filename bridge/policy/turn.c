#include "policy/turn.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* SHA-1 is what TURN servers expect here; as an HMAC it is sound. */
void turn_credential(struct text secret, struct text name, int64_t expires_s, struct buf *username,
                     struct buf *password)
{
    unsigned char mac[EVP_MAX_MD_SIZE], encoded[TURN_PASSWORD_BYTES + 1];
    unsigned mac_len = 0;
    size_t start = username->len;

    buf_int(username, expires_s);
    buf_char(username, ':');
    buf_add(username, name.p, text_len(&name));
    if (!buf_ok(username) || text_len(&secret) > INT_MAX ||
        !HMAC(EVP_sha1(), secret.p, (int)text_len(&secret),
              (const unsigned char *)username->data + start, username->len - start, mac,
              &mac_len) ||
        mac_len != 20) {
        password->failed = true;
        return;
    }
    EVP_EncodeBlock(encoded, mac, (int)mac_len);
    buf_add(password, encoded, TURN_PASSWORD_BYTES);
}
