/* summary.c: see summary.h; the loops are in summary_loops.h, once for each instruction set. */
#include "summary.h"

#include "isa.h"

summary summarize_f32(size_t n, const float *x, size_t bins, int64_t *counts)
{
    return isa_current()->summarize_f32(n, x, bins, counts);
}

summary summarize_f64(size_t n, const double *x, size_t bins, int64_t *counts)
{
    return isa_current()->summarize_f64(n, x, bins, counts);
}
