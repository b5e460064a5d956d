/* What libwebsockets takes from the heap for each connection. Threads: the loop's. */
#ifndef SIGBRIDGE_IO_WS_MEMORY_H
#define SIGBRIDGE_IO_WS_MEMORY_H

/* Before the first context is made. */
void ws_memory_save(void);

#endif
