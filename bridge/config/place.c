#include "config/place.h"

#include "config/value.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *place_env(char *const *envp, const char *name)
{
    size_t len = strlen(name);
    for (; envp && *envp; envp++)
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
            return *envp + len + 1;
    return NULL;
}

char *place_data(char *const *envp)
{
    const char *state = place_env(envp, "XDG_STATE_HOME");
    const char *home = place_env(envp, "HOME");
    if (geteuid() == 0)
        return strdup("/var/lib/sigbridge");
    if (state && *state == '/')
        return value_path(state, "sigbridge");
    if (home && *home == '/')
        return value_path(home, ".local/state/sigbridge");
    return NULL;
}

/* Without one, errno is 0 or ENOMEM. */
static char *directory_in(const char *dir, const char *name)
{
    struct stat st;
    char *path = value_path(dir, name), *real = NULL;
    bool no_memory = !path;
    if (path && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        real = realpath(path, NULL);
        no_memory = !real && errno == ENOMEM;
    }
    free(path);
    errno = no_memory ? ENOMEM : 0;
    return real;
}

char *place_web(const char *beside)
{
    char exe[PATH_MAX];
    errno = 0;
    if (!beside) {
        ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
        if (len <= 0)
            return NULL;
        exe[len] = '\0';
        *strrchr(exe, '/') = '\0'; /* it begins with one */
        beside = exe;
    }
    char *web = directory_in(beside, "web");
    return web || errno ? web : directory_in(beside, "../share/sigbridge/web");
}
