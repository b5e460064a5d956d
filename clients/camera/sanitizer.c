/* Only in builds with AddressSanitizer: what its leak check has to know about GLib.
 *
 * GLib makes its table of quarks while it is loaded, and when the table grows it keeps the old one
 * on purpose, because other threads may be reading it. That is one block for the life of the
 * process. Such blocks are known by the dynamic loader on their stack, so stacks must be whole:
 * GLib is built without frame pointers, and the quick way to walk a stack ends at g_malloc(). */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0:malloc_context_size=12";
}

const char *__lsan_default_suppressions(void)
{
    return "leak:ld-linux\n";
}
