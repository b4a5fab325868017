/* summary.c: see summary.h; the loops, for both precisions, are in summary_loops.h. */
#include "summary.h"

#include <math.h>

/* Least and largest are sought in so many parts, which fill a vector or two. */
enum { EXTREMES = 16 };

#define SUFFIX f32
#define REAL float
#include "summary_loops.h"

#define SUFFIX f64
#define REAL double
#include "summary_loops.h"
