/* log.h: the natural logarithm, by the same operations on every machine, for sampling, cross-entropy and the function
 * log. */
#ifndef MINIDL_LOG_H
#define MINIDL_LOG_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* log x for normal x > 0: x = 2^e m with m in [sqrt(1/2), sqrt 2), and log m = 2 atanh((m - 1) / (m + 1)). */
static inline double log_f64(double x)
{
    int64_t bits, e;
    double m;
    memcpy(&bits, &x, 8);
    e = (bits - 0x3fe6a09e667f3bcd) >> 52;
    bits -= (int64_t)((uint64_t)e << 52);
    memcpy(&m, &bits, 8);
    double s = (m - 1) / (m + 1), t = s * s, series = 2.0 / 23;
    series = series * t + 2.0 / 21;
    series = series * t + 2.0 / 19;
    series = series * t + 2.0 / 17;
    series = series * t + 2.0 / 15;
    series = series * t + 2.0 / 13;
    series = series * t + 2.0 / 11;
    series = series * t + 2.0 / 9;
    series = series * t + 2.0 / 7;
    series = series * t + 2.0 / 5;
    series = series * t + 2.0 / 3;
    return (double)(int32_t)e * 0x1.62e42fefa39efp-1 + (2 * s + s * t * series);
}

/* log x for every x: of a subnormal one, by 2^54 x. */
static inline double log_of_any(double x)
{
    int small = x < 0x1p-1022;
    double y = log_f64(x > 0 ? small ? x * 0x1p54 : x : 1) - (small ? 0x1.2b708872320e2p+5 : 0);
    return x > 0 && x < INFINITY ? y : x == 0 ? -INFINITY : x < 0 ? NAN : x;
}

#endif
