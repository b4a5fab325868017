/* optim.c: deals the elements of many tensors out to threads. The rules are in optim_loops.h. */
#include "optim.h"

#include "isa.h"
#include "threads.h"

/* Below this many elements (of a rule with a root and a quotient in it: fewer) a second thread costs more than it
 * brings. */
enum { WORK_PER_THREAD = 1 << 16, ROOT = 3 };

/* Nobody writes into another's cache line. */
enum { GRAIN = 64 };

typedef struct {
    const optim_job *job;
    optim_rule *rule;
} ruled;

/* From `begin` to `end` of the elements of all tensors in a row. */
static void move(const void *what, size_t begin, size_t end)
{
    const ruled *r = what;
    const optim_job *job = r->job;
    size_t first = 0;
    for (const optim_tensor *t = job->tensors; t < job->tensors + job->count && first < end; first += t->n, t++) {
        size_t from = begin > first ? begin - first : 0, to = end - first < t->n ? end - first : t->n;
        if (from < to)
            r->rule(job, t, from, to);
    }
}

static void deal(optim_rule *rule, const optim_job *job, size_t work)
{
    size_t n = 0;
    for (size_t i = 0; i < job->count; i++)
        n += job->tensors[i].n;
    threads_deal(n, GRAIN, 1 + n * work / WORK_PER_THREAD, move, &(ruled){job, rule});
}

static const optim_rules *rules(int precision)
{
    return precision ? isa_current()->optim_f64 : isa_current()->optim_f32;
}

void optim_sgd(const optim_job *job, int precision)
{
    deal(rules(precision)->sgd, job, 1);
}

void optim_adam(const optim_job *job, int precision)
{
    deal(rules(precision)->adam, job, ROOT);
}

void optim_rmsprop(const optim_job *job, int precision)
{
    deal(rules(precision)->rmsprop, job, ROOT);
}

double optim_power(double x, size_t n)
{
    double power = 1;
    for (; n; n /= 2, x *= x)
        if (n % 2)
            power *= x;
    return power;
}
