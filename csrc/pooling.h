/* pooling.h: the largest number or the mean of each window of an image, and their gradients; `precision` is 0 for
 * float32, 1 for float64. */
#ifndef MINIDL_POOLING_H
#define MINIDL_POOLING_H

#include <stddef.h>

/* In one direction: window i has numbers begin[i], begin[i] + step, ... below end[i], one at least, and counts as
 * `count[i]` of them. */
typedef struct {
    size_t size, windows; /* how many numbers, and how many windows */
    ptrdiff_t step;
    const ptrdiff_t *begin, *end, *count;
} windows;

/* x and dx are planes x rows.size x columns.size numbers, y and dy planes x rows.windows x columns.windows. */
typedef struct {
    size_t planes;
    windows rows, columns;
    const void *x;
    void *y;
    ptrdiff_t *places; /* of the largest numbers, counted from the beginning of their plane; NULL for means */
} pooling_job;

/* y is the largest number of each window, the first of equal ones; a NaN, where there is one. */
void max_pool(const pooling_job *job, int precision);

/* y is the mean of each window: the sum, row by row, divided by what both directions count as. */
void mean_pool(const pooling_job *job, int precision);

/* dx (`y` here) of dy (`x` here). */
void max_pool_backward(const pooling_job *job, int precision);
void mean_pool_backward(const pooling_job *job, int precision);

#endif
