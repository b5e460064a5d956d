#include "io/store_damaged.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* In the order of moving. */
static const char *const parts[] = {"-wal", "-journal", "-shm", ""};
enum { PARTS = sizeof parts / sizeof *parts };

static const char mark[] = ".damaged-";

static enum status cannot(const char *path, const char *detail, struct problem *why)
{
    return problem_set(why, STATUS_IO, 0, "store-damaged",
                       "the presence database is damaged and cannot be moved aside (%s): move it"
                       " away and start again: %s",
                       detail, path);
}

static bool ends_with(const char *str, const char *end)
{
    size_t len = strlen(str), tail = strlen(end);
    return len >= tail && strcmp(str + len - tail, end) == 0;
}

/* A database counts once, whatever lies beside it. */
static bool is_moved_one(const char *name, const char *base)
{
    size_t len = strlen(base);
    if (strncmp(name, base, len) != 0 || strncmp(name + len, mark, sizeof mark - 1) != 0)
        return false;
    for (size_t i = 0; i < PARTS; i++)
        if (*parts[i] && ends_with(name, parts[i]))
            return false;
    return true;
}

/* How many were moved aside before; -1: the directory cannot be read. */
static int count_moved(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    int dir_len = slash ? (int)(slash - path) + 1 : 1;
    if (snprintf(dir, sizeof dir, "%.*s", dir_len, slash ? path : ".") >= (int)sizeof dir)
        return -1;
    DIR *d = opendir(dir);
    if (!d)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        count += is_moved_one(entry->d_name, base);
    closedir(d);
    return count;
}

static bool is_taken(const char *name)
{
    char file[PATH_MAX];
    struct stat st;
    for (size_t i = 0; i < PARTS; i++)
        if (snprintf(file, sizeof file, "%s%s", name, parts[i]) >= (int)sizeof file ||
            lstat(file, &st) == 0)
            return true;
    return false;
}

/* A name that nothing has. There are at most STORE_DAMAGED_MAX of ours, but others may make files.
 */
static bool choose_name(char out[PATH_MAX], const char *path, int64_t now_ms)
{
    char stamp[32];
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    if (!gmtime_r(&now, &tm) || strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm) == 0)
        snprintf(stamp, sizeof stamp, "%lld", (long long)now_ms);
    int len = snprintf(out, PATH_MAX, "%s%s%s", path, mark, stamp);
    for (int n = 2; n < 1000; n++) {
        if (len < 0 || len >= PATH_MAX - 16)
            return false;
        if (!is_taken(out))
            return true;
        snprintf(out + len, PATH_MAX - (size_t)len, "-%d", n);
    }
    return false;
}

/* Does not overwrite. A file system that cannot promise that is asked first: the directory has one
 * bridge, and the name is of this second. */
static int move(const char *from, const char *to)
{
    struct stat st;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (lstat(to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

enum status store_damaged_move(const char *path, const char *detail, int64_t now_ms,
                               struct problem *why)
{
    char name[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    int moved = count_moved(path);
    if (moved < 0)
        return cannot(path, strerrordesc_np(errno), why);
    if (moved >= STORE_DAMAGED_MAX)
        return problem_set(why, STATUS_IO, 0, "store-damaged",
                           "the presence database is damaged, and %d were before it: check the"
                           " disk, then move them away: %s",
                           moved, path);
    if (!choose_name(name, path, now_ms))
        return cannot(path, "its name is too long", why);
    for (size_t i = 0; i < PARTS; i++) {
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s%s", name, parts[i]);
        if (move(from, to) != 0 && (errno != ENOENT || !*parts[i]))
            return cannot(path, strerrordesc_np(errno), why);
    }
    log_line(LOG_ERROR, "store-damaged", LOG_S("file", path), LOG_S("moved_to", name),
             LOG_S("why", detail),
             LOG_S("remedy", "a new history begins; check the disk, and read the old one with"
                             " sqlite3 FILE .recover, or delete it"),
             LOG_END);
    return STATUS_OK;
}
