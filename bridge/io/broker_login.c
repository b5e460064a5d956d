#include "io/broker_login.h"

#include "io/device_acl.h"
#include "io/device_passwd.h"
#include "io/device_secret.h"
#include "io/device_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status no_memory(struct problem *why)
{
    return problem_set(why, STATUS_NO_MEMORY, 0, "broker-start", "out of memory");
}

static enum status replace(const struct broker_dir *d, const char *name, const struct buf *b,
                           struct problem *why)
{
    if (!buf_ok(b))
        return no_memory(why);
    if (device_file_replace(d->fd, name, b->data, b->len))
        return STATUS_OK;
    return problem_set(why, STATUS_IO, 0, "broker-directory",
                       "cannot write the embedded broker's %s (%s): make room or make the directory"
                       " writable, or choose another with --data",
                       name, strerrordesc_np(errno));
}

static enum status write_acl(const struct broker_dir *d, const char *name,
                             const struct device_list *l, const char *prefix, struct problem *why)
{
    struct buf b;
    buf_init(&b, DEVICE_FILE_MAX);
    device_acl_put(&b, l, prefix);
    enum status status = replace(d, name, &b, why);
    buf_release(&b);
    return status;
}

static enum status write_bridge(const struct broker_dir *d, const char *prefix,
                                const char *password, struct problem *why)
{
    char hash[DEVICE_HASH_MAX];
    struct device_list l = {.kind = DEVICE_KIND_BRIDGE};
    struct buf b;
    if (!device_secret_hash(password, hash) || !device_list_add(&l, NAME_BRIDGE))
        return no_memory(why);
    buf_init(&b, DEVICE_FILE_MAX);
    device_passwd_put(&b, text_of_str(""), NAME_BRIDGE, hash);
    enum status status = replace(d, BROKER_LOGIN_PASSWD, &b, why);
    buf_release(&b);
    if (status == STATUS_OK)
        status = write_acl(d, BROKER_LOGIN_ACL, &l, prefix, why);
    device_list_release(&l);
    return status;
}

static bool is_missing(const struct broker_dir *d, const char *name)
{
    struct stat st;
    return fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

enum status broker_login_write(const struct broker_dir *d, const char *prefix, const char *password,
                               struct problem *why)
{
    struct device_list nobody = {.kind = DEVICE_KIND_DEVICE};
    struct buf nothing;
    buf_init(&nothing, 1);
    enum status status = write_bridge(d, prefix, password, why);
    if (status == STATUS_OK && is_missing(d, DEVICE_ACL))
        status = write_acl(d, DEVICE_ACL, &nobody, prefix, why);
    if (status == STATUS_OK && is_missing(d, DEVICE_PASSWD))
        status = replace(d, DEVICE_PASSWD, &nothing, why);
    return status;
}
