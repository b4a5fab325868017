/* threads.c: a few threads that help whoever has work for more than one.
 *
 * A helper waits for work: awake for about a tenth of a millisecond, since the next product of a network is soon there, and
 * asleep after that. Starting one takes some 15 microseconds, calling one that is awake about one. After a fork the child has no
 * helpers and makes new ones. Of several callers at once the first has the helpers, and the others do their work alone. Whoever
 * does a part, it is the same part: the results do not depend on it. */
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

static void run_alone(size_t parts, void (*body)(void *job, size_t part), void *job)
{
    for (size_t part = 0; part < parts; part++)
        body(job, part);
}

#if defined(_WIN32)

void threads_run(size_t parts, void (*body)(void *job, size_t part), void *job)
{
    run_alone(parts, body, job);
}

#else
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum { LOOKS = 2000 }; /* how often a helper looks for work before it sleeps */

/* The call that is being worked on. `next` is its number << 32 | the first part that nobody has taken. It is written last, and a
 * part is taken by exchanging `next`: that fails where the call is over, so nobody works on what was read before. */
static _Atomic uint64_t next;
static _Atomic size_t call_parts, parts_left;
static void (*_Atomic call_body)(void *job, size_t part);
static void *_Atomic call_job;

static size_t helpers;
static _Atomic int sleepers;
static pthread_mutex_t caller = PTHREAD_MUTEX_INITIALIZER, bedroom = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t alarm_clock = PTHREAD_COND_INITIALIZER;

static void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Does parts of this call until all are taken. */
static void work(uint64_t call)
{
    for (uint64_t seen = next; seen >> 32 == call && (uint32_t)seen < call_parts;) {
        void (*body)(void *, size_t) = call_body;
        void *job = call_job;
        if (atomic_compare_exchange_weak(&next, &seen, seen + 1)) {
            body(job, (uint32_t)seen);
            parts_left--;
            seen = next;
        }
    }
}

/* What a helper does, from the call after `last` on. */
static void *help(void *last)
{
    for (uint64_t done = (uintptr_t)last;;) {
        for (int looks = 0; looks < LOOKS && next >> 32 == done; looks++)
            pause_a_little();
        if (next >> 32 == done) {
            pthread_mutex_lock(&bedroom);
            sleepers++;
            while (next >> 32 == done)
                pthread_cond_wait(&alarm_clock, &bedroom);
            sleepers--;
            pthread_mutex_unlock(&bedroom);
        }
        done = next >> 32;
        work(done);
    }
    return NULL;
}

static void forget_helpers(void) /* in a child, after fork */
{
    helpers = 0;
    sleepers = 0;
    caller = bedroom = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    alarm_clock = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

/* Sees to it that there are `wanted` helpers, or as many as can be had. */
static void hire(size_t wanted)
{
    static int registered;
    if (!registered && wanted)
        registered = pthread_atfork(NULL, NULL, forget_helpers) == 0;
    for (pthread_t thread; helpers < wanted; helpers++) {
        if (!registered || pthread_create(&thread, NULL, help, (void *)(uintptr_t)(next >> 32)))
            return;
        pthread_detach(thread);
    }
}

void threads_run(size_t parts, void (*body)(void *job, size_t part), void *job)
{
    if (parts < 2 || pthread_mutex_trylock(&caller)) {
        run_alone(parts, body, job);
        return;
    }
    hire(parts - 1);
    uint64_t call = (uint32_t)((next >> 32) + 1);
    call_body = body;
    call_job = job;
    call_parts = parts_left = parts;
    next = call << 32;
    if (sleepers) {
        pthread_mutex_lock(&bedroom);
        pthread_cond_broadcast(&alarm_clock);
        pthread_mutex_unlock(&bedroom);
    }
    work(call);
    for (int looks = 0; parts_left; looks++)
        if (looks < LOOKS)
            pause_a_little();
        else
            sched_yield();
    pthread_mutex_unlock(&caller);
}
#endif
