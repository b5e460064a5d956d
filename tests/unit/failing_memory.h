/* Stories that are told again and again, each time with the next allocation failing, until one is
 * told in which none was left to fail; then the same with all allocations failing from there on.
 *
 *     static bool a_map(void) { ... HOLDS(map.count == 0); ... return all_went_well; }
 *     static const struct memory_story stories[] = {{"a map", a_map, 0}};
 *     memory_tell(stories, ROWS(stories));
 *
 * A story takes its memory back before it ends: what leaks, the sanitizer finds. After each failure
 * it is told once more without one, and must go well then.
 *
 * The linker sends every allocation of the test here (sigbridge_memory_unit() in memory.cmake); the
 * libraries' own, inside libcrypto or libconfig, never fail. What must not fail, such as a
 * simulated world around the story, is compiled with malloc=__real_malloc. */
#ifndef SIGBRIDGE_FAILING_MEMORY_H
#define SIGBRIDGE_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MEMORY_QUIET = 1, /* may go well although memory ran out: what failed was dispensable */
    MEMORY_NONE = 2   /* takes no memory at all */
};

struct memory_story {
    const char *name;
    /* True: it went well. False: somebody was told that it did not. */
    bool (*tell)(void);
    int traits;
};

void memory_tell(const struct memory_story *stories, size_t count);

/* What must hold however much memory there is; names the story and the failing allocation. */
#define HOLDS(holds) memory_holds((holds), #holds, __FILE__, __LINE__)
void memory_holds(bool holds, const char *what, const char *file, int line);

/* While a story takes things apart and looks at them nothing fails; false: again from here on. May
 * be nested. */
void memory_spare(bool yes);

bool memory_is_gone(void); /* all allocations fail from one on, not only one */

#endif
