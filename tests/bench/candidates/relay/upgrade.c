#include "upgrade.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/* The value of Sec-WebSocket-Key, without the spaces around it. */
static bool find_key(const char *line, const char *end, const char **key, size_t *len)
{
    static const char name[] = "sec-websocket-key:";
    while (line < end) {
        const char *over = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (!over)
            return false;
        if (over - line >= (ptrdiff_t)sizeof name && !strncasecmp(line, name, sizeof name - 1)) {
            *key = line + sizeof name - 1;
            while (*key < over && **key == ' ')
                ++*key;
            *len = (size_t)(over - *key);
            while (*len && (*key)[*len - 1] == ' ')
                --*len;
            return *len > 0 && *len <= 64;
        }
        line = over + 2;
    }
    return false;
}

static bool find_room(const char *bytes, char room[UPGRADE_ROOM_MAX + 1])
{
    static const char get[] = "GET /";
    if (strncmp(bytes, get, sizeof get - 1))
        return false;
    bytes += sizeof get - 1;
    size_t len = strcspn(bytes, "/? \r\n");
    if (bytes[len] != '/' || len == 0 || len > UPGRADE_ROOM_MAX)
        return false;
    memcpy(room, bytes, len);
    room[len] = '\0';
    return true;
}

enum upgrade_found upgrade_read(const char *bytes, size_t len, struct upgrade *u)
{
    char text[64 + sizeof magic];
    unsigned char digest[SHA_DIGEST_LENGTH];
    char accept[4 * (SHA_DIGEST_LENGTH + 2) / 3 + 1];
    const char *key = NULL;
    size_t key_len = 0;
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return len < UPGRADE_REQUEST_MAX ? UPGRADE_PART : UPGRADE_WRONG;
    if (!find_room(bytes, u->room) || !find_key(bytes, end + 2, &key, &key_len))
        return UPGRADE_WRONG;
    memcpy(text, key, key_len);
    memcpy(text + key_len, magic, sizeof magic - 1);
    SHA1((const unsigned char *)text, key_len + sizeof magic - 1, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    int n = snprintf(u->answer, sizeof u->answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    u->answer_len = (size_t)n;
    u->size = (size_t)(end - bytes) + 4;
    return UPGRADE_WHOLE;
}
