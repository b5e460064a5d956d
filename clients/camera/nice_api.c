#include "nice_api.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libnice.so.10"

enum { STREAM = 1 }; /* libnice counts from 1; a bundle is one stream */

typedef gboolean restart_function(GObject *agent);
typedef gboolean get_function(GObject *agent, guint stream, char **ufrag, char **pwd);
typedef gboolean set_function(GObject *agent, guint stream, const char *ufrag, const char *pwd);

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises the same bytes. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

bool nice_api_restart(GObject *agent, const char *ufrag, const char *pwd, char **own_ufrag,
                      char **own_pwd)
{
    restart_function *restart;
    get_function *get;
    set_function *set;
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return false;
    bool done = find(library, "nice_agent_restart", &restart) &&
                find(library, "nice_agent_get_local_credentials", &get) &&
                find(library, "nice_agent_set_remote_credentials", &set) && restart(agent) &&
                get(agent, STREAM, own_ufrag, own_pwd) && set(agent, STREAM, ufrag, pwd);
    dlclose(library);
    return done;
}
