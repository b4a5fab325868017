/* threads.c: threads that live as long as one call. Nothing stays behind, so a fork or several callers at once are safe;
 * starting a thread costs some 10 microseconds, so callers use them for jobs of more than that. */
#include "threads.h"

enum { MAX_THREADS = 64 };

static size_t limit = 1;

void threads_set(size_t n)
{
    limit = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

size_t threads_get(void)
{
    return limit;
}

size_t threads_begin(size_t n, size_t grain, size_t parts, size_t part)
{
    size_t grains = (n + grain - 1) / grain, begin = grains / parts * part + (part < grains % parts ? part : grains % parts);
    return begin * grain < n ? begin * grain : n;
}

#if defined(_WIN32)

void threads_run(size_t parts, void (*body)(void *job, size_t part), void *job)
{
    for (size_t part = 0; part < parts; part++)
        body(job, part);
}

#else
#include <pthread.h>

typedef struct {
    void (*body)(void *job, size_t part);
    void *job;
    size_t part;
} share;

static void *run_share(void *argument)
{
    share *mine = argument;
    mine->body(mine->job, mine->part);
    return NULL;
}

void threads_run(size_t parts, void (*body)(void *job, size_t part), void *job)
{
    pthread_t thread[MAX_THREADS];
    share shares[MAX_THREADS];
    int started[MAX_THREADS];
    for (size_t i = 0; i + 1 < parts; i++) {
        shares[i] = (share){body, job, i};
        started[i] = pthread_create(&thread[i], NULL, run_share, &shares[i]) == 0;
    }
    body(job, parts - 1);
    for (size_t i = 0; i + 1 < parts; i++)
        if (started[i])
            pthread_join(thread[i], NULL);
        else
            body(job, i);
}
#endif
