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

/* sum_f32, sum_f64: for each group Y (filters x places) = bias + W (filters x taps) X (taps x places), where X are the
 * patches `in` of x, Y the numbers `out` of y. In W a filter is `w_filter` numbers after the one before it, a channel
 * `w_channel`, a tap `w_tap` (vertical, horizontal). */
typedef struct {
    size_t images, groups, filters, channels; /* filters and channels: of a group */
    patches in, out;
    const REAL *x, *w, *bias;
    REAL *y;
    size_t w_group, w_filter, w_channel, w_tap[2];
    const NAME(microkernel) *kernel;
    band band;
    _Atomic size_t *undone; /* bands */
    _Atomic int *failed;
} NAME(sum);

/* pad_f32, pad_f64: copies what a band needs of one channel. The columns outside of it are 0 already. */
static void NAME(pad)(const patches *in, const band *b, ptrdiff_t top, const REAL *channel, REAL *padded)
{
    size_t pitch = b->pieces * b->piece;
    ptrdiff_t begin = b->left < 0 ? 0 : b->left, end = b->left + (ptrdiff_t)b->columns;
    end = end < (ptrdiff_t)in->width ? end : (ptrdiff_t)in->width;
    for (size_t r = 0; r < b->rows; r++, padded += pitch) {
        ptrdiff_t y = top + (ptrdiff_t)r;
        const REAL *row = channel + y * in->row;
        if ((size_t)y >= in->height)
            memset(padded, 0, pitch * sizeof(REAL));
        else if (b->pieces == 1 && begin < end)
            memcpy(padded + (begin - b->left), row + begin, (size_t)(end - begin) * sizeof(REAL));
        else
            for (ptrdiff_t x = begin; x < end; x++)
                padded[(size_t)(x - b->left) % b->pieces * b->piece + (size_t)(x - b->left) / b->pieces] = row[x];
    }
}

/* pack_weights_f32, pack_weights_f64: W in panels of at most `most` filters, each of them tap after tap. */
static void NAME(pack_weights)(const NAME(sum) *s, size_t most, REAL *packed)
{
    for (size_t g = 0; g < s->groups; g++)
        for (size_t f = 0, rows; f < s->filters; f += rows) {
            rows = panel(s->filters - f, most);
            for (size_t c = 0; c < s->channels; c++)
                for (size_t t = 0; t < s->in.kernel[0]; t++)
                    for (size_t l = 0; l < s->in.kernel[1]; l++)
                        for (size_t r = 0; r < rows; r++)
                            *packed++ = s->w[g * s->w_group + (f + r) * s->w_filter + c * s->w_channel + t * s->w_tap[0] + l * s->w_tap[1]];
        }
}

/* tile_of_places_f32, tile_of_places_f64: the sums of a panel of filters at some vectors of places, made as matmul makes
 * them. */
static void NAME(tile_of_places)(const NAME(sum) *s, size_t rows, size_t vectors, const REAL *w, const REAL *padded,
                                 const ptrdiff_t *places, const ptrdiff_t *at, const REAL *bias, REAL *c, ptrdiff_t c_row)
{
    const size_t taps = taps_of(&s->in, s->channels), chain = chain_of(taps);
    for (size_t p = 0; p < taps; p += chain)
        s->kernel->filter(rows, vectors, taps - p < chain ? taps - p : chain, w + p * rows, padded, places + p, at,
                          p ? c : bias, p ? c_row : 1, p != 0, c, c_row);
}

/* scatter_f32, scatter_f64: a row of a tile, which are vectors of places from vector v on, to a plane of the output. */
static void NAME(scatter)(const NAME(sum) *s, size_t v, size_t vectors, const REAL *tile, REAL *plane)
{
    const size_t lanes = s->kernel->lanes, width = s->in.out[1], in_row = (width + lanes - 1) / lanes;
    const patches *out = &s->out;
    for (size_t end = v + vectors; v < end; v++, tile += lanes) {
        size_t column = v % in_row * lanes, n = width - column < lanes ? width - column : lanes;
        REAL *to = plane + (ptrdiff_t)(v / in_row) * out->stride[0] * out->row + (ptrdiff_t)column * out->stride[1];
        for (size_t q = 0; q < n; q++)
            to[(ptrdiff_t)q * out->stride[1]] = tile[q];
    }
}

/* filter_bands_f32, filter_bands_f64: takes one band of an image's group after the other, until none is left: its
 * channels are padded, and the filters run over them, without the matrix of patches. */
static void NAME(filter_bands)(const void *job, size_t begin, size_t end)
{
    const NAME(sum) *s = job;
    const patches *in = &s->in, *out = &s->out;
    const band *b = &s->band;
    const size_t lanes = s->kernel->lanes, in_row = (in->out[1] + lanes - 1) / lanes, taps = taps_of(in, s->channels);
    const size_t bands = (in->out[0] + b->out_rows - 1) / b->out_rows, most = most_vectors(s->kernel->mr, s->kernel->nr / lanes, panel(s->filters, s->kernel->mr));
    const int contiguous = out->stride[0] == 1 && out->stride[1] == 1 && in->out[1] == out->width && in->out[1] % lanes == 0;
    REAL *padded = zeros(s->channels * b->channel * sizeof(REAL)), tile[LARGEST_TILE];
    ptrdiff_t *places = malloc(taps * sizeof *places), at[ROW_VECTORS];
    if (padded && places)
        places_of_taps(in, b, s->channels, places);
    else
        *s->failed = 1;
    (void)begin, (void)end;
    for (size_t i; !*s->failed && (i = (*s->undone)++) < s->images * s->groups * bands;) {
        size_t image = i / bands / s->groups, g = i / bands % s->groups, a = i % bands * b->out_rows;
        size_t vectors = (in->out[0] - a < b->out_rows ? in->out[0] - a : b->out_rows) * in_row;
        const REAL *x = s->x + (ptrdiff_t)image * in->image + (ptrdiff_t)(g * s->channels) * in->channel;
        REAL *y = s->y + (ptrdiff_t)image * out->image + (ptrdiff_t)(g * s->filters) * out->channel
            + ((ptrdiff_t)a * out->stride[0] - out->padding[0]) * out->row - out->padding[1];
        for (size_t c = 0; c < s->channels; c++)
            NAME(pad)(in, b, b->top + (ptrdiff_t)a * in->stride[0], x + (ptrdiff_t)c * in->channel, padded + c * b->channel);
        for (size_t v = 0, n; v < vectors; v += n) {
            n = vectors - v < most ? vectors - v : most;
            for (size_t q = 0; q < n; q++)
                at[q] = (ptrdiff_t)((v + q) / in_row * (size_t)in->stride[0] * b->pieces * b->piece + (v + q) % in_row * lanes);
            for (size_t f = 0, rows; f < s->filters; f += rows) {
                rows = panel(s->filters - f, s->kernel->mr);
                const REAL *w = s->w + (g * s->filters + f) * taps, *bias = s->bias ? s->bias + g * s->filters + f : NULL;
                REAL *plane = y + (ptrdiff_t)f * out->channel;
                if (contiguous) {
                    NAME(tile_of_places)(s, rows, n, w, padded, places, at, bias, plane + v * lanes, out->channel);
                } else {
                    NAME(tile_of_places)(s, rows, n, w, padded, places, at, bias, tile, (ptrdiff_t)(n * lanes));
                    for (size_t r = 0; r < rows; r++)
                        NAME(scatter)(s, v, n, tile + r * n * lanes, plane + (ptrdiff_t)r * out->channel);
                }
            }
        }
    }
    free(padded);
    free(places);
}

/* sum_up_f32, sum_up_f64 */
static int NAME(sum_up)(NAME(sum) s)
{
    const size_t taps = taps_of(&s.in, s.channels), places = s.in.out[0] * s.in.out[1], lanes = s.kernel->lanes;
    const int over_images = are_run_over(&s.in, s.filters, taps, lanes);
    REAL *packed = malloc((s.groups * s.filters * taps + 1) * sizeof(REAL)); /* not 0, where no tap meets them */
    if (!packed)
        return -1;
    NAME(pack_weights)(&s, over_images ? s.kernel->mr : 1, packed);
    s.w = packed;
    _Atomic int failed = 0;
    if (over_images) {
        _Atomic size_t undone = 0;
        s.band = band_of(&s.in, s.channels, lanes, (size_t)s.in.stride[1], BAND);
        s.undone = &undone;
        s.failed = &failed;
        size_t parts = 1 + s.images * s.groups * s.filters * taps * places / WORK_PER_THREAD;
        threads_deal(parts, 1, parts, NAME(filter_bands), &s);
    } else {
        patches in = flat(s.in), out = flat(s.out);
        for (size_t g = 0; g < s.groups && !failed; g++)
            failed = NAME(multiply)(s.filters, s.images * places, taps, NAME(plain)(s.w + g * s.filters * taps, taps),
                                    NAME(view)(s.x + (ptrdiff_t)(g * s.channels) * in.channel, &in, 0),
                                    (NAME(matrix)){(REAL *)(s.bias ? s.bias + g * s.filters : NULL), s.bias != NULL, 0, NULL, 0},
                                    NAME(view)(s.y + (ptrdiff_t)(g * s.filters) * out.channel, &out, 0));
    }
    free(packed);
    return failed ? -1 : 0;
}

/* convolve_f32, convolve_f64 */
int NAME(convolve)(const convolution *s, const REAL *x, const REAL *w, const REAL *bias, REAL *y)
{
    const size_t kernel = s->kernel[0] * s->kernel[1];
    return NAME(sum_up)((NAME(sum)){
        .images = s->images, .groups = s->groups, .filters = s->filters, .channels = s->channels,
        .in = patches_of(s), .out = images_of(s->images, s->groups, s->filters, s->out),
        .x = x, .w = w, .bias = bias, .y = y,
        .w_group = s->filters * s->channels * kernel, .w_filter = s->channels * kernel, .w_channel = kernel,
        .w_tap = {s->kernel[1], 1},
        .kernel = isa_current()->NAME(microkernel),
    });
}

/* weight_gradient_f32, weight_gradient_f64: the patches `in` of x, the numbers `out` of dy. */
typedef struct {
    const convolution *size;
    patches in, out;
    const REAL *x, *dy;
    REAL *dw;
    const NAME(microkernel) *kernel;
    _Atomic int *failed;
} NAME(weight_gradient);

/* plane_f32, plane_f64: a channel of an image, padded. */
typedef struct {
    size_t channel, image;
    band band;
    REAL *padded;
} NAME(plane);

/* chain_f32, chain_f64: n places from place p on are added to the sums of each filter and tap; those of a row of a
 * kernel are a vector of `width` numbers. */
static void NAME(chain)(const NAME(weight_gradient) *s, NAME(plane) *x, size_t p, size_t n, size_t width, REAL *sums)
{
    const patches *in = &s->in;
    const size_t places = in->out[0] * in->out[1], lanes = s->kernel->lanes, filters = s->size->filters;
    for (size_t run; n; n -= run, p += run) {
        size_t image = p / places, a = p % places / in->out[1], b = p % in->out[1];
        run = in->out[1] - b < n ? in->out[1] - b : n;
        if (image != x->image) {
            x->image = image;
            NAME(pad)(in, &x->band, x->band.top, s->x + (ptrdiff_t)image * in->image + (ptrdiff_t)x->channel * in->channel, x->padded);
        }
        const REAL *from = x->padded + a * (size_t)in->stride[0] * x->band.piece + b * (size_t)in->stride[1];
        for (size_t o = 0; o < filters; o++)
            for (size_t v = 0; v < width; v += lanes)
                s->kernel->correlate(in->kernel[0], run, s->dy + (ptrdiff_t)image * s->out.image
                                     + (ptrdiff_t)(x->channel * filters + o) * s->out.channel + (ptrdiff_t)(p % places),
                                     from + v, in->dilation[0] * (ptrdiff_t)x->band.piece, in->stride[1],
                                     sums + o * in->kernel[0] * width + v, width);
    }
}

/* weights_of_channel_f32, weights_of_channel_f64: the sums over k places from place p on, cut as matmul cuts them. */
static void NAME(weights_of_channel)(const NAME(weight_gradient) *s, NAME(plane) *x, size_t p, size_t k, size_t width, REAL *sums)
{
    const size_t numbers = s->size->filters * s->in.kernel[0] * width;
    REAL more[FEW_SUMS];
    size_t first = k > LONGEST ? half_of(k) : chain_of(k), n = first;
    memset(sums, 0, numbers * sizeof(REAL));
    if (k > LONGEST)
        NAME(weights_of_channel)(s, x, p, first, width, sums);
    else
        NAME(chain)(s, x, p, n, width, sums);
    for (size_t done = first; done < k; done += n) {
        n = k > LONGEST || k - done < first ? k - done : first;
        memset(more, 0, numbers * sizeof(REAL));
        if (k > LONGEST)
            NAME(weights_of_channel)(s, x, p + done, n, width, more);
        else
            NAME(chain)(s, x, p + done, n, width, more);
        for (size_t i = 0; i < numbers; i++)
            sums[i] += more[i];
    }
}

/* weights_of_channels_f32, weights_of_channels_f64: of groups of one channel, in one thread. */
static void NAME(weights_of_channels)(const void *job, size_t begin, size_t end)
{
    const NAME(weight_gradient) *s = job;
    const size_t lanes = s->kernel->lanes, columns = s->in.kernel[1], width = (columns + lanes - 1) / lanes * lanes,
                 rows = s->size->filters * s->in.kernel[0];
    NAME(plane) x = {.band = band_of(&s->in, 1, lanes, 1, SIZE_MAX)};
    x.padded = zeros(x.band.channel * sizeof(REAL));
    if (!x.padded)
        *s->failed = 1;
    for (size_t g = begin; g < end && x.padded; g++) {
        REAL sums[FEW_SUMS];
        x.channel = g;
        x.image = s->size->images; /* none yet */
        NAME(weights_of_channel)(s, &x, 0, s->size->images * s->in.out[0] * s->in.out[1], width, sums);
        for (size_t r = 0; r < rows; r++)
            memcpy(s->dw + (g * rows + r) * columns, sums + r * width, columns * sizeof(REAL));
    }
    free(x.padded);
}

/* convolve_weight_gradient_f32, convolve_weight_gradient_f64: for each group dW (filters x taps) = dY (filters x places)
 * X^T (places x taps). */
int NAME(convolve_weight_gradient)(const convolution *s, const REAL *x, const REAL *dy, REAL *dw)
{
    const size_t taps = s->channels * s->kernel[0] * s->kernel[1], places = s->out[0] * s->out[1];
    patches in = flat(patches_of(s)), out = flat(images_of(s->images, s->groups, s->filters, s->out));
    if (s->channels == 1 && s->groups > 1 && s->dilation[1] == 1 && s->filters * s->kernel[0] * (s->kernel[1] + LARGEST_VECTOR) <= FEW_SUMS) {
        _Atomic int missing = 0;
        NAME(weight_gradient) few = {s, patches_of(s), out, x, dy, dw, isa_current()->NAME(microkernel), &missing};
        threads_deal(s->groups, 1, 1 + s->groups * s->filters * taps * s->images * places / WORK_PER_THREAD,
                     NAME(weights_of_channels), &few);
        return missing ? -1 : 0;
    }
    int failed = 0;
    for (size_t g = 0; g < s->groups && !failed; g++)
        failed = NAME(multiply)(s->filters, taps, s->images * places,
                                NAME(view)(dy + (ptrdiff_t)(g * s->filters) * out.channel, &out, 0),
                                NAME(view)(x + (ptrdiff_t)(g * s->channels) * in.channel, &in, 1), (NAME(matrix)){0},
                                NAME(plain)(dw + g * s->filters * taps, taps));
    return failed;
}

/* of_phase_f32, of_phase_f64: of each element with these phases: for each group dX (channels x places) = bias + W'
 * (channels x taps) dY (taps x places), where the taps are those of all filters which meet it. */
static int NAME(of_phase)(const convolution *s, ptrdiff_t p, ptrdiff_t q, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx)
{
    const size_t kernel = s->kernel[0] * s->kernel[1];
    meeting v = meeting_of(s, 0, p), h = meeting_of(s, 1, q);
    patches in = images_of(s->images, s->groups, s->filters, s->out), out = images_of(s->images, s->groups, s->channels, s->size);
    in.kernel[0] = v.taps, in.kernel[1] = h.taps;
    in.out[0] = out.out[0] = v.places, in.out[1] = out.out[1] = h.places;
    in.padding[0] = v.shift, in.padding[1] = h.shift;
    in.dilation[0] = -v.move, in.dilation[1] = -h.move;
    out.stride[0] = s->stride[0], out.stride[1] = s->stride[1];
    out.padding[0] = -p, out.padding[1] = -q;
    return NAME(sum_up)((NAME(sum)){
        .images = s->images, .groups = s->groups, .filters = s->channels, .channels = s->filters,
        .in = in, .out = out,
        .x = dy, .w = w + (size_t)v.first * s->kernel[1] + (size_t)h.first, .bias = bias, .y = dx,
        .w_group = s->filters * s->channels * kernel, .w_filter = kernel, .w_channel = s->channels * kernel,
        .w_tap = {(size_t)v.step * s->kernel[1], (size_t)h.step},
        .kernel = isa_current()->NAME(microkernel),
    });
}

/* convolve_input_gradient_f32, convolve_input_gradient_f64: elements that are whole strides apart meet the same taps, and
 * are made together. Without a stride these are all. */
int NAME(convolve_input_gradient)(const convolution *s, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx)
{
    int failed = 0;
    for (ptrdiff_t p = 0; p < s->stride[0] && p < (ptrdiff_t)s->size[0]; p++)
        for (ptrdiff_t q = 0; q < s->stride[1] && q < (ptrdiff_t)s->size[1] && !failed; q++)
            failed = NAME(of_phase)(s, p, q, dy, w, bias, dx);
    return failed;
}

#undef SUFFIX
#undef REAL
