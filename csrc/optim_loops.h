/* optim_loops.h: the template of the rules in optim.h; each isa_*.c includes it once per precision, with SUFFIX and
 * REAL.
 *
 * Plain loops, which compilers turn into vectors, of correctly rounded operations (roots and quotients are), compiled
 * without contraction: the bits are those of the reference implementation. Conditions that are the same for all
 * elements are taken out of the loops by the compiler. */
#include "optim.h"
#include "template.h"

#include <math.h>

/* root_f32, root_f64 */
static inline REAL NAME(root)(REAL x)
{
    return sizeof(REAL) == 4 ? (REAL)sqrtf((float)x) : (REAL)sqrt((double)x);
}

/* sgd_f32, sgd_f64: g = g + weight_decay p;  v = momentum v + (1 - dampening) g, at first g;
 * p = p - lr (nesterov ? g + momentum v : v) */
static void NAME(sgd)(const optim_job *job, const optim_tensor *t, size_t begin, size_t end)
{
    const REAL lr = (REAL)job->sgd.lr, momentum = (REAL)job->sgd.momentum, share = (REAL)(1 - job->sgd.dampening);
    const REAL decay = (REAL)job->sgd.weight_decay;
    const int decays = job->sgd.weight_decay != 0, nesterov = job->sgd.nesterov != 0, fresh = t->steps == 0;
    const REAL *gradient = t->g;
    REAL *p = t->p, *v = t->state[0];
    for (size_t i = begin; i < end; i++) {
        REAL g = gradient[i], step;
        if (decays)
            g += decay * p[i];
        step = g;
        if (v) {
            v[i] = fresh ? g : momentum * v[i] + share * g;
            step = nesterov ? g + momentum * v[i] : v[i];
        }
        p[i] -= lr * step;
    }
}

/* adam_f32, adam_f64: g = g + weight_decay p, or decoupled: p = p - lr weight_decay p;
 * m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 * p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) */
static void NAME(adam)(const optim_job *job, const optim_tensor *t, size_t begin, size_t end)
{
    const double lr = job->adam.lr, weight_decay = job->adam.weight_decay;
    const double first = 1 - optim_power(job->adam.beta1, t->steps + 1), second = 1 - optim_power(job->adam.beta2, t->steps + 1);
    const REAL rate = (REAL)(lr / first), scale = (REAL)(1 / sqrt(second)), eps = (REAL)job->adam.eps;
    const REAL beta1 = (REAL)job->adam.beta1, share1 = (REAL)(1 - job->adam.beta1);
    const REAL beta2 = (REAL)job->adam.beta2, share2 = (REAL)(1 - job->adam.beta2);
    const int decoupled = job->adam.decoupled != 0, decays = weight_decay != 0 && !decoupled;
    const REAL decay = (REAL)weight_decay, kept = (REAL)(decoupled ? 1 - lr * weight_decay : 1);
    const REAL *gradient = t->g;
    REAL *p = t->p, *m = t->state[0], *v = t->state[1];
    for (size_t i = begin; i < end; i++) {
        REAL g = gradient[i];
        if (decays)
            g += decay * p[i];
        m[i] = beta1 * m[i] + share1 * g;
        v[i] = beta2 * v[i] + share2 * g * g;
        p[i] = kept * p[i] - rate * m[i] / (scale * NAME(root)(v[i]) + eps);
    }
}

/* rmsprop_f32, rmsprop_f64: g = g + weight_decay p;  s = alpha s + (1 - alpha) g^2;
 * u = g / (sqrt(s) + eps), or centered: a = alpha a + (1 - alpha) g, u = g / (sqrt(s - a^2) + eps);
 * b = momentum b + u;  p = p - lr (momentum ? b : u)
 *
 * s - a^2 is a variance, which is at least 0 but for rounding. */
static void NAME(rmsprop)(const optim_job *job, const optim_tensor *t, size_t begin, size_t end)
{
    const REAL lr = (REAL)job->rmsprop.lr, alpha = (REAL)job->rmsprop.alpha, share = (REAL)(1 - job->rmsprop.alpha);
    const REAL eps = (REAL)job->rmsprop.eps, decay = (REAL)job->rmsprop.weight_decay, momentum = (REAL)job->rmsprop.momentum;
    const int decays = job->rmsprop.weight_decay != 0;
    const REAL *gradient = t->g;
    REAL *p = t->p, *s = t->state[0], *b = t->state[1], *a = t->state[2];
    for (size_t i = begin; i < end; i++) {
        REAL g = gradient[i], spread, step;
        if (decays)
            g += decay * p[i];
        s[i] = alpha * s[i] + share * g * g;
        spread = s[i];
        if (a) {
            a[i] = alpha * a[i] + share * g;
            spread -= a[i] * a[i];
            spread = spread < 0 ? 0 : spread;
        }
        step = g / (NAME(root)(spread) + eps);
        if (b) {
            b[i] = momentum * b[i] + step;
            step = b[i];
        }
        p[i] -= lr * step;
    }
}

/* own_optim_f32, own_optim_f64 */
static const optim_rules NAME(own_optim) = {
    ENTRY(sgd),
    ENTRY(adam),
    ENTRY(rmsprop),
};
