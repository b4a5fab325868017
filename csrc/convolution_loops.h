/* convolution_loops.h: the template of the convolutions; convolution.c includes it once for each precision. */
#include "template.h"

/* plain_f32, plain_f64: a row-major matrix. */
static NAME(matrix) NAME(plain)(const REAL *data, size_t columns)
{
    return (NAME(matrix)){(REAL *)data, (ptrdiff_t)columns, 1, NULL, 0};
}

/* view_f32, view_f64: all of a matrix of patches. */
static NAME(matrix) NAME(view)(const REAL *data, const patches *of, int turned)
{
    return (NAME(matrix)){(REAL *)data, 0, 0, of, turned};
}

/* for_rows_f32, for_rows_f64: a number for each row, or nothing. */
static NAME(matrix) NAME(for_rows)(const REAL *bias)
{
    return (NAME(matrix)){(REAL *)bias, bias != NULL, 0, NULL, 0};
}

/* convolve_f32, convolve_f64: for each group Y (filters x places) = bias + W (filters x taps) X (taps x places). */
int NAME(convolve)(const convolution *s, const REAL *x, const REAL *w, const REAL *bias, REAL *y)
{
    const size_t taps = s->channels * s->kernel[0] * s->kernel[1], places = s->out[0] * s->out[1];
    patches in = patches_of(s), out = planes_of(s->images, s->groups, s->filters, s->out);
    int failed = 0;
    for (size_t g = 0; g < s->groups && !failed; g++)
        failed = NAME(multiply)(s->filters, s->images * places, taps, NAME(plain)(w + g * s->filters * taps, taps),
                                NAME(view)(x + (ptrdiff_t)(g * s->channels) * in.channel, &in, 0),
                                NAME(for_rows)(bias ? bias + g * s->filters : NULL),
                                NAME(view)(y + (ptrdiff_t)(g * s->filters) * out.channel, &out, 0));
    return failed;
}

/* weight_gradient: for each group dW (filters x taps) = dY (filters x places) X^T (places x taps). */
int NAME(convolve_weight_gradient)(const convolution *s, const REAL *x, const REAL *dy, REAL *dw)
{
    const size_t taps = s->channels * s->kernel[0] * s->kernel[1], places = s->out[0] * s->out[1];
    patches in = patches_of(s), out = planes_of(s->images, s->groups, s->filters, s->out);
    int failed = 0;
    for (size_t g = 0; g < s->groups && !failed; g++)
        failed = NAME(multiply)(s->filters, taps, s->images * places,
                                NAME(view)(dy + (ptrdiff_t)(g * s->filters) * out.channel, &out, 0),
                                NAME(view)(x + (ptrdiff_t)(g * s->channels) * in.channel, &in, 1), (NAME(matrix)){0},
                                NAME(plain)(dw + g * s->filters * taps, taps));
    return failed;
}

/* of_phase_f32, of_phase_f64: of each element with these phases: for each group dX (channels x places) = bias + W'
 * (channels x taps) dY (taps x places), where the taps are those of all filters which meet it. `turned` has room for
 * W'. */
static int NAME(of_phase)(const convolution *s, meeting v, meeting h, patches in, const REAL *dy, const REAL *w,
                          const REAL *bias, REAL *dx, REAL *turned)
{
    patches out = images_of(s->images, s->groups, s->filters, s->out);
    const size_t taps = s->filters * v.taps * h.taps, kernel = s->kernel[0] * s->kernel[1];
    out.kernel[0] = v.taps, out.kernel[1] = h.taps;
    out.out[0] = v.places, out.out[1] = h.places;
    out.padding[0] = v.shift, out.padding[1] = h.shift;
    out.dilation[0] = -v.move, out.dilation[1] = -h.move;
    int failed = 0;
    for (size_t g = 0; g < s->groups && !failed; g++) {
        REAL *to = turned;
        for (size_t c = 0; c < s->channels; c++)
            for (size_t o = 0; o < s->filters; o++)
                for (size_t t = 0; t < v.taps; t++)
                    for (size_t l = 0; l < h.taps; l++)
                        *to++ = w[((g * s->filters + o) * s->channels + c) * kernel
                            + ((size_t)v.first + t * (size_t)v.step) * s->kernel[1] + (size_t)h.first + l * (size_t)h.step];
        failed = NAME(multiply)(s->channels, s->images * v.places * h.places, taps, NAME(plain)(turned, taps),
                                NAME(view)(dy + (ptrdiff_t)(g * s->filters) * out.channel, &out, 0),
                                NAME(for_rows)(bias ? bias + g * s->channels : NULL),
                                NAME(view)(dx + (ptrdiff_t)(g * s->channels) * in.channel, &in, 0));
    }
    return failed;
}

/* convolve_input_gradient_f32, convolve_input_gradient_f64: elements that are whole strides apart meet the same taps,
 * and are made together. Without a stride these are all. */
int NAME(convolve_input_gradient)(const convolution *s, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx)
{
    REAL *turned = malloc((s->filters * s->channels * s->kernel[0] * s->kernel[1] + 1) * sizeof(REAL));
    int failed = turned ? 0 : -1;
    for (ptrdiff_t p = 0; p < s->stride[0] && p < (ptrdiff_t)s->size[0]; p++)
        for (ptrdiff_t q = 0; q < s->stride[1] && q < (ptrdiff_t)s->size[1] && !failed; q++) {
            int whole = s->stride[0] == 1 && s->stride[1] == 1;
            patches in = (whole ? planes_of : images_of)(s->images, s->groups, s->channels, s->size);
            meeting v = meeting_of(s, 0, p), h = meeting_of(s, 1, q);
            if (!whole) {
                in.out[0] = v.places, in.out[1] = h.places;
                in.stride[0] = s->stride[0], in.stride[1] = s->stride[1];
                in.padding[0] = -p, in.padding[1] = -q;
            }
            failed = NAME(of_phase)(s, v, h, in, dy, w, bias, dx, turned);
        }
    free(turned);
    return failed;
}

#undef SUFFIX
#undef REAL
