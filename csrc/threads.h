/* threads.h: shares a job out among threads. */
#ifndef MINIDL_THREADS_H
#define MINIDL_THREADS_H

#include <stddef.h>

/* How many threads a job may use (at least 1). */
void threads_set(size_t n);
size_t threads_get(void);

/* Calls body(job, begin, end) for ranges that together are [0, n), and waits for all of them. There are at most
 * `parts`, and at most one for each thread; none is empty, and each begins at a multiple of `grain`. They run side by
 * side, one or more in the caller's own thread. Whatever a range makes must not depend on where it begins and ends. */
void threads_deal(size_t n, size_t grain, size_t parts, void (*body)(const void *job, size_t begin, size_t end), const void *job);

#endif
