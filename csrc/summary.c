/* summary.c: see summary.h; the loops, for both precisions, are in summary_loops.h. */
#include "summary.h"

#include <math.h>

enum { PARTS = 8 };

static double together(const double parts[PARTS])
{
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

#define SUFFIX f32
#define REAL float
#include "summary_loops.h"

#define SUFFIX f64
#define REAL double
#include "summary_loops.h"
