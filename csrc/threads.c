/* threads.c: a few threads that help whoever has work for more than one.
 *
 * A helper waits for work: awake for about a tenth of a millisecond, since the next product of a network is soon
 * there, and asleep after that. Starting one takes some 15 microseconds, calling one that is awake about one. After a
 * fork the child has no helpers and makes new ones. Of several callers at once the first has the helpers, and the
 * others do their work alone. Whoever does a part, it is the same part: the results do not depend on it. */
#include "threads.h"

#include <stdatomic.h>
#include <stdint.h>

enum { MAX_THREADS = 64 };

static _Atomic size_t limit = 1;

void threads_set(size_t n)
{
    limit = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

size_t threads_get(void)
{
    return limit;
}

static size_t least(size_t x, size_t y)
{
    return x < y ? x : y;
}

/* A call of threads_deal. */
typedef struct {
    size_t n, grain, parts;
    void (*body)(const void *job, size_t begin, size_t end);
    const void *job;
} deal;

/* Where a part begins, if the grains are dealt out as evenly as they can be. */
static size_t beginning(const deal *d, size_t part)
{
    size_t grains = (d->n + d->grain - 1) / d->grain, each = grains / d->parts, over = grains % d->parts;
    return least((each * part + least(part, over)) * d->grain, d->n);
}

static void do_part(const deal *d, size_t part)
{
    d->body(d->job, beginning(d, part), beginning(d, part + 1));
}

#if !__has_include(<pthread.h>)

static int do_together(const deal *d)
{
    (void)do_part, (void)d;
    return 0;
}

#else
#include <pthread.h>
#include <sched.h>

enum { LOOKS = 2000 }; /* how often a helper looks for work before it sleeps */

/* The call that is being worked on, by one number that says all that must be known together: the call's own number <<
 * LEFT_BITS | how many of its parts nobody has taken. A part is taken by exchanging it for one less. `call` and
 * `parts_undone` belong to it, and are written only by the caller, before the store that opens the call.
 *
 * Each part is done once, and with its own job: parts_undone goes down once for each part that was taken, after it was
 * done. So the caller, who waits until it is 0, comes back when all parts were taken and done; from then until the
 * next call is opened `open_call` is number << LEFT_BITS | 0, and nobody can take anything. Therefore `call` and
 * `parts_undone` stay what they are while a part of their call is left. Who takes a part has read `open_call` (a part
 * is left), then `call`, and then exchanged what it had read of `open_call`: the same call was open before and after,
 * so what it read in between is of this call. Each value is exchanged once: no part is taken twice, and parts_undone
 * cannot fall below 0. (Were the parts counted in a variable of their own, a helper could take the new call's for
 * those of the old one, before the new one is open.)
 *
 * A number comes again after 2^48 calls. A helper would have to stand still in between, for nine years of a million a
 * second.
 *
 * tests/c/threads.pml has all of it as a model, for a program that tries every order of events. */
enum { LEFT_BITS = 16 };
static _Atomic uint64_t open_call;
static const deal *_Atomic call;
static _Atomic size_t parts_undone;

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

static uint64_t number_of_call(void)
{
    return open_call >> LEFT_BITS;
}

/* Does parts until all are taken. */
static void work(void)
{
    for (uint64_t seen = open_call; seen % (1 << LEFT_BITS);) {
        const deal *d = call;
        if (atomic_compare_exchange_weak(&open_call, &seen, seen - 1)) {
            do_part(d, d->parts - seen % (1 << LEFT_BITS));
            parts_undone--;
            seen = open_call;
        }
    }
}

/* What a helper does, from the call after number `last` on. */
static void *help(void *last)
{
    for (uint64_t done = (uintptr_t)last;;) {
        /* Who came late, and found no part left, stays until the call is done: the next one is soon there. */
        for (int looks = 0; (looks < LOOKS || parts_undone) && number_of_call() == done; looks += looks < LOOKS)
            if (looks < LOOKS)
                pause_a_little();
            else
                sched_yield();
        if (number_of_call() == done) {
            pthread_mutex_lock(&bedroom);
            sleepers++; /* before the last look, so that whoever opens a call after it sees a sleeper */
            while (number_of_call() == done)
                pthread_cond_wait(&alarm_clock, &bedroom);
            sleepers--;
            pthread_mutex_unlock(&bedroom);
        }
        done = number_of_call();
        work();
    }
    return NULL;
}

#if !defined(_WIN32)
static void forget_helpers(void) /* in a child, after fork */
{
    helpers = 0;
    sleepers = 0;
    caller = bedroom = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    alarm_clock = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}
#endif

/* Whether a child will forget its parent's helpers. */
static int ready_for_fork(void)
{
#if defined(_WIN32)
    return 1; /* there is no fork */
#else
    static int registered;
    return registered || (registered = pthread_atfork(NULL, NULL, forget_helpers) == 0);
#endif
}

/* Sees to it that there are `wanted` helpers, or as many as can be had. */
static void hire(size_t wanted)
{
    for (pthread_t thread; helpers < wanted && ready_for_fork(); helpers++) {
        if (pthread_create(&thread, NULL, help, (void *)(uintptr_t)number_of_call()))
            return;
        pthread_detach(thread);
    }
}

/* Does all parts, with the helpers; or nothing, and returns 0, while these are another caller's. */
static int do_together(const deal *d)
{
    if (pthread_mutex_trylock(&caller))
        return 0;
    hire(d->parts - 1);
    call = d;
    parts_undone = d->parts;
    open_call = (number_of_call() + 1) << LEFT_BITS | d->parts;
    if (sleepers) {
        pthread_mutex_lock(&bedroom);
        pthread_cond_broadcast(&alarm_clock);
        pthread_mutex_unlock(&bedroom);
    }
    work();
    for (int looks = 0; parts_undone; looks++)
        if (looks < LOOKS)
            pause_a_little();
        else
            sched_yield();
    pthread_mutex_unlock(&caller);
    return 1;
}
#endif

void threads_deal(size_t n, size_t grain, size_t parts, void (*body)(const void *job, size_t begin, size_t end), const void *job)
{
    parts = least(least(parts, threads_get()), n / grain + (n % grain != 0)); /* no part without a grain */
    deal d = {n, grain, parts, body, job};
    if (n && (parts < 2 || !do_together(&d)))
        body(job, 0, n);
}
