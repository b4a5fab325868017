/* threads.pml: the protocol of csrc/threads.c as a model, for spin (https://spinroot.com), which tries every order of events.
 *
 *   bash tools/check_core.sh model
 *
 * One caller makes CALLS calls, each of 2 to MOST parts, and hires up to HELPERS helpers before any of them. Every access to a
 * shared variable is a step of its own, as in C, where they are atomic and sequentially consistent. What must hold in every order:
 *
 *   - a part is done once, while its call lasts, and with its call's job;
 *   - parts_undone does not fall below 0;
 *   - all calls come to an end (else spin finds an invalid end state), and no helper sleeps through one.
 *
 * With -DSEPARATE_COUNT the number of parts is kept beside the call's number, as it once was, and not in one word with it:
 * then a helper that comes late takes a part of the next call before that is open. The model must fail with it. */

#ifndef CALLS
#define CALLS 3
#endif
#ifndef HELPERS
#define HELPERS 2
#endif
#define MOST 3
#define NOBODY 255

/* The word `open_call`: the call's number, and how many parts are left (SEPARATE_COUNT: the first part that nobody has taken). */
typedef word { byte number; byte parts }
word open_call;
byte call;          /* what `call` points to, by the number of the call */
byte parts_undone;
#ifdef SEPARATE_COUNT
byte call_parts;
#endif

byte sleepers, helpers;
bool bedroom;       /* a mutex: held */
byte asleep[HELPERS] = NOBODY; /* while a helper is in pthread_cond_wait: the last call that it knows of */

/* What nobody but the assertions knows. */
byte running = NOBODY;          /* the call that has not come back */
byte parts_of[CALLS + 1];
byte done[(CALLS + 1) * MOST];  /* how often each part of each call was done */

inline lock() { atomic { !bedroom; bedroom = true } }
inline unlock() { bedroom = false }

inline wake_all() /* pthread_cond_broadcast */
{
    atomic {
        for (part : 0 .. HELPERS - 1) {
            asleep[part] = NOBODY
        }
        part = 0
    }
}

/* Does parts until all are taken. `mine` is the call whose parts are done, `job` the job that they are done with. */
inline work()
{
    d_step { seen.number = open_call.number; seen.parts = open_call.parts }
    do
#ifdef SEPARATE_COUNT
    :: seen.number == mine && seen.parts < call_parts ->
#else
    :: seen.parts > 0 ->
#endif
        job = call;
        /* the exchange */
        d_step {
            if
            :: open_call.number == seen.number && open_call.parts == seen.parts ->
#ifdef SEPARATE_COUNT
                part = seen.parts;
                open_call.parts++;
#else
                part = parts_of[job] - seen.parts;
                open_call.parts--;
#endif
                taken = true
            :: else ->
                seen.number = open_call.number;
                seen.parts = open_call.parts;
                taken = false
            fi
        }
        if
        :: taken ->
            d_step {
                assert(job == running && part < parts_of[job]);
                done[job * MOST + part]++;
                assert(done[job * MOST + part] == 1)
            }
            d_step { assert(parts_undone > 0); parts_undone--; part = 0; job = 0; taken = false }
            d_step { seen.number = open_call.number; seen.parts = open_call.parts }
        :: !taken
        fi
    :: else -> break
    od;
    atomic { seen.number = 0; seen.parts = 0; job = 0 }
}

proctype helper(byte me; byte last)
{
    word seen;
    byte mine = last, part, job;
    bool taken;
    do
    :: /* awake: it looks until there is a call; how often is open */
        if
        :: open_call.number != mine
        :: true ->
            if
            :: open_call.number == mine ->
                lock();
                sleepers++;
                do
                :: open_call.number == mine ->
                    d_step { bedroom = false; asleep[me] = mine } /* pthread_cond_wait */
end_asleep:         asleep[me] == NOBODY;
                    lock()
                :: else -> break
                od;
                sleepers--;
                unlock()
            :: else
            fi
        fi;
        mine = open_call.number;
        work()
    od
}

active proctype caller()
{
    word seen;
    byte mine, part, job, number, parts;
    bool taken;
    for (number : 1 .. CALLS) {
        select (parts : 2 .. MOST);
        do /* hire */
        :: helpers < HELPERS && helpers < parts - 1 ->
            atomic { run helper(helpers, open_call.number); helpers++ }
        :: break /* or as many as can be had */
        od;
        atomic { running = number; parts_of[number] = parts }
#ifdef SEPARATE_COUNT
        call = number;
        parts_undone = parts;
        call_parts = parts;
        d_step { open_call.number = number; open_call.parts = 0 }
#else
        call = number;
        parts_undone = parts;
        d_step { open_call.number = number; open_call.parts = parts }
#endif
        mine = number;
        if
        :: sleepers > 0 -> lock(); wake_all(); unlock()
        :: else
        fi;
        work();
        parts_undone == 0;
        atomic {
            for (part : 0 .. parts - 1) {
                assert(done[number * MOST + part] == 1)
            }
            for (part : 0 .. HELPERS - 1) {
                assert(asleep[part] == NOBODY || asleep[part] == number)
            }
            part = 0;
            running = NOBODY
        }
    }
}
