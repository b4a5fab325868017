/* threads.h: runs the parts of a job side by side. */
#ifndef MINIDL_THREADS_H
#define MINIDL_THREADS_H

#include <stddef.h>

/* How many threads a job may use (at least 1). */
void threads_set(size_t n);
size_t threads_get(void);

/* Calls body(job, part) for every part below `parts`, by up to as many threads at once, the caller's among them, and waits. */
void threads_run(size_t parts, void (*body)(void *job, size_t part), void *job);

/* Where part `part` of `parts` begins when `n` things are dealt out in multiples of `grain`. */
size_t threads_begin(size_t n, size_t grain, size_t parts, size_t part);

#endif
