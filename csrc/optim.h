/* optim.h: one step of an optimizer, for many tensors in one call: SGD, Adam, RMSprop.
 *
 * The rules are in optim_loops.h, once for each instruction set and precision, and written down as formulas in
 * minidl/optim/; optim.c deals the elements out to threads. No element depends on another, so the bits depend neither
 * on the instruction set nor on the threads. */
#ifndef MINIDL_OPTIM_H
#define MINIDL_OPTIM_H

#include <stddef.h>

/* As many arrays as a rule remembers of a tensor, and as many numbers as it takes, at most. */
enum { STATES = 3, NUMBERS = 6 };

/* A tensor of n elements: its value, its gradient, and what the rule remembers of it, which may be NULL where `optim_job`
 * says so. `steps`: how many it has made before this one. */
typedef struct {
    size_t n, steps;
    void *p;
    const void *g;
    void *state[STATES];
} optim_tensor;

/* What is remembered, and the numbers, in their order:
 *
 *     SGD      momentum_buffer (NULL: no momentum; it has no value yet where `steps` is 0)
 *     Adam     exp_avg, exp_avg_sq
 *     RMSprop  square_avg, momentum_buffer (NULL: no momentum), grad_avg (NULL: not centered) */
typedef struct {
    size_t count;
    const optim_tensor *tensors;
    union {
        double numbers[NUMBERS];
        struct {
            double lr, momentum, dampening, weight_decay, nesterov;
        } sgd;
        struct {
            double lr, beta1, beta2, eps, weight_decay, decoupled;
        } adam;
        struct {
            double lr, alpha, eps, weight_decay, momentum;
        } rmsprop;
    };
} optim_job;

/* `precision` is 0 for float32, 1 for float64. */
void optim_sgd(const optim_job *job, int precision);
void optim_adam(const optim_job *job, int precision);
void optim_rmsprop(const optim_job *job, int precision);

/* x^n by multiplications alone, so that the bits do not depend on a mathematical library, as those of `pow` do. */
double optim_power(double x, size_t n);

/* What an instruction set brings, in one precision: each rule for the elements from `begin` to `end` of a tensor. */
typedef void optim_rule(const optim_job *job, const optim_tensor *tensor, size_t begin, size_t end);
typedef struct {
    optim_rule *sgd, *adam, *rmsprop;
} optim_rules;

#endif
