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
                            *packed++ = s->w[g * s->w_group + (f + r) * s->w_filter + c * s->w_channel + t * s->w_tap[0]
                                             + l * s->w_tap[1]];
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

/* filter_bands_f32, filter_bands_f64: takes one band of an image's group after the other, until no thread has left any:
 * its channels are padded, and the filters run over them. */
static void NAME(filter_bands)(const void *job, size_t begin, size_t end)
{
    (void)begin, (void)end; /* a thread that comes late shall not leave its part to the others */
    const NAME(sum) *s = job;
    const patches *in = &s->in, *out = &s->out;
    const band *b = &s->band;
    const size_t lanes = s->kernel->lanes, in_row = (in->out[1] + lanes - 1) / lanes, taps = taps_of(in, s->channels);
    const size_t bands = (in->out[0] + b->out_rows - 1) / b->out_rows;
    const size_t most = most_vectors(s->kernel->mr, s->kernel->nr / lanes, panel(s->filters, s->kernel->mr));
    const int contiguous = out->stride[0] == 1 && out->stride[1] == 1 && in->out[1] == out->width && in->out[1] % lanes == 0;
    REAL *padded = zeros(s->channels * b->channel * sizeof(REAL)), tile[LARGEST_TILE];
    ptrdiff_t *places = malloc(taps * sizeof *places), *at = malloc(b->out_rows * in_row * sizeof *at);
    if (padded && places && at) {
        places_of_taps(in, b, s->channels, places);
        for (size_t v = 0; v < b->out_rows * in_row; v++)
            at[v] = (ptrdiff_t)(v / in_row * (size_t)in->stride[0] * b->pieces * b->piece + v % in_row * lanes);
    } else {
        *s->failed = 1;
    }
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
            for (size_t f = 0, rows; f < s->filters; f += rows) {
                rows = panel(s->filters - f, s->kernel->mr);
                const REAL *w = s->w + (g * s->filters + f) * taps, *bias = s->bias ? s->bias + g * s->filters + f : NULL;
                REAL *plane = y + (ptrdiff_t)f * out->channel;
                if (contiguous) {
                    NAME(tile_of_places)(s, rows, n, w, padded, places, at + v, bias, plane + v * lanes, out->channel);
                } else {
                    NAME(tile_of_places)(s, rows, n, w, padded, places, at + v, bias, tile, (ptrdiff_t)(n * lanes));
                    for (size_t r = 0; r < rows; r++)
                        NAME(scatter)(s, v, n, tile + r * n * lanes, plane + (ptrdiff_t)r * out->channel);
                }
            }
        }
    }
    free(padded);
    free(places);
    free(at);
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
        int few_images = s.images * s.groups < 4 * threads_get(); /* threads share their rows, too */
        s.band = band_of(&s.in, s.channels, lanes, (size_t)s.in.stride[1], few_images ? BAND / 4 : BAND);
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

/* met_taps_f32, met_taps_f64: those taps that meet a number of the image at some place: where they are in the weight, and
 * in images that stand side by side. Of chain i of all taps they end at ends[i]. */
typedef struct {
    ptrdiff_t *in_w, *in_x, *numbers; /* numbers: of those of one channel among all */
    size_t ends[LONGEST / KC];
} NAME(met_taps);

/* find_taps_f32, find_taps_f64: those of place (a, b), where `width` images stand side by side. */
static void NAME(find_taps)(const NAME(sum) *s, size_t a, size_t b, size_t width, NAME(met_taps) *met)
{
    const patches *in = &s->in;
    const size_t kernel = taps_of(in, 1), taps = taps_of(in, s->channels);
    size_t n = 0;
    for (size_t tap = 0; tap < kernel; tap++) {
        size_t t = tap / in->kernel[1], l = tap % in->kernel[1];
        ptrdiff_t y = (ptrdiff_t)a * in->stride[0] - in->padding[0] + (ptrdiff_t)t * in->dilation[0];
        ptrdiff_t x = (ptrdiff_t)b * in->stride[1] - in->padding[1] + (ptrdiff_t)l * in->dilation[1];
        if ((size_t)y < in->height && (size_t)x < in->width) {
            met->numbers[n] = (ptrdiff_t)tap;
            met->in_w[n] = (ptrdiff_t)(t * s->w_tap[0] + l * s->w_tap[1]);
            met->in_x[n++] = (y * in->row + x) * (ptrdiff_t)width;
        }
    }
    for (size_t c = 1; c < s->channels; c++)
        for (size_t i = 0; i < n; i++) {
            met->in_w[c * n + i] = met->in_w[i] + (ptrdiff_t)(c * s->w_channel);
            met->in_x[c * n + i] = met->in_x[i] + (ptrdiff_t)(c * width) * in->channel;
        }
    for (size_t i = 0, end = 0; end < taps; i++) {
        end = end + chain_of(taps) < taps ? end + chain_of(taps) : taps;
        met->ends[i] = end / kernel * n;
        for (size_t j = 0; j < n; j++)
            met->ends[i] += (size_t)met->numbers[j] < end % kernel;
    }
}

/* filter_place_f32, filter_place_f64: the sums of all filters of a group at one place, of images x side by side. A filter's
 * are y_row numbers after those of the one before. */
static void NAME(filter_place)(const NAME(sum) *s, size_t g, size_t vectors, const NAME(met_taps) *met, const REAL *x, REAL *y,
                               ptrdiff_t y_row)
{
    const size_t taps = taps_of(&s->in, s->channels), chains = taps ? (taps - 1) / chain_of(taps) + 1 : 0;
    for (size_t f = 0, rows; f < s->filters; f += rows) {
        rows = panel(s->filters - f, s->kernel->mr);
        const REAL *w = s->w + g * s->w_group + f * s->w_filter, *bias = s->bias ? s->bias + g * s->filters + f : NULL;
        REAL *c = y + (ptrdiff_t)f * y_row;
        s->kernel->gather(rows, vectors, chains ? met->ends[0] : 0, w, (ptrdiff_t)s->w_filter, met->in_w, x, met->in_x,
                          bias, 1, 0, c, y_row);
        for (size_t i = 1; i < chains; i++)
            s->kernel->gather(rows, vectors, met->ends[i] - met->ends[i - 1], w, (ptrdiff_t)s->w_filter,
                              met->in_w + met->ends[i - 1], x, met->in_x + met->ends[i - 1], c, y_row, 1, c, y_row);
    }
}

/* sums_of_images_f32, sums_of_images_f64: of the same images, which make parts of the same ones. */
typedef struct {
    const NAME(sum) *sums;
    size_t count, taps; /* taps: the most of any */
    _Atomic int *failed;
} NAME(sums_of_images);

/* filter_images_f32, filter_images_f64: the sums of images `begin` to `end`. Some of them stand side by side, so that a vector
 * holds the same place of several; and at each place only those taps are gone through which do not meet the zeros around the
 * images. A weight times 0 adds nothing, and the chains are cut where they are with all taps: so are the bits. */
static void NAME(filter_images)(const void *job, size_t begin, size_t end)
{
    const NAME(sums_of_images) *all = job;
    const NAME(sum) *first = all->sums;
    const patches *in = &first->in, *out = &first->out;
    const NAME(microkernel) *kernel = first->kernel;
    const size_t nr = kernel->nr, lanes = kernel->lanes;
    const size_t numbers = first->channels * in->height * in->width, made = first->filters * out->height * out->width;
    REAL *x = malloc((numbers * nr + lanes) * sizeof(REAL)), *y = malloc(made * nr * sizeof(REAL));
    ptrdiff_t *tables = malloc((3 * all->taps + 1) * sizeof *tables);
    if (!(x && y && tables)) {
        *all->failed = 1;
        begin = end;
    }
    NAME(met_taps) met = {.in_w = tables, .in_x = tables + all->taps, .numbers = tables + 2 * all->taps};
    for (size_t image = begin; image < end; image += nr)
        for (size_t g = 0; g < first->groups; g++) {
            size_t n = end - image < nr ? end - image : nr, vectors = (n + lanes - 1) / lanes;
            kernel->pack(n, numbers, nr, first->x + (ptrdiff_t)image * in->image + (ptrdiff_t)(g * numbers), in->image, 1, x);
            for (const NAME(sum) *s = first; s < first + all->count; s++)
                for (size_t a = 0; a < s->in.out[0]; a++)
                    for (size_t b = 0; b < s->in.out[1]; b++) {
                        const ptrdiff_t *stride = s->out.stride, *padding = s->out.padding;
                        ptrdiff_t place = ((ptrdiff_t)a * stride[0] - padding[0]) * out->row + (ptrdiff_t)b * stride[1] - padding[1];
                        NAME(find_taps)(s, a, b, nr, &met);
                        NAME(filter_place)(s, g, vectors, &met, x, y + place * (ptrdiff_t)nr, out->channel * (ptrdiff_t)nr);
                    }
            kernel->unpack(n, made, nr, y, first->y + (ptrdiff_t)image * out->image + (ptrdiff_t)(g * made), out->image);
        }
    free(x);
    free(y);
    free(tables);
}

/* stand_side_by_side_f32, stand_side_by_side_f64: whether images do for these sums: if they fill vectors, but not the cache,
 * and rows are too short for filters to be run over them. Few filters are run over rows of half a vector, too. */
static int NAME(stand_side_by_side)(const NAME(sum) *sums, size_t count)
{
    const size_t lanes = VECTOR / sizeof(REAL);
    const patches *in = &sums->in, *out = &sums->out;
    size_t numbers = sums->channels * in->height * in->width + sums->filters * out->height * out->width;
    int plain = count == 1 && is_plain(in);
    int fit = !plain && are_mostly_full(sums->images, lanes) && numbers <= SIDE_BY_SIDE;
    for (const NAME(sum) *s = sums; s < sums + count; s++) {
        size_t width = s->in.out[1];
        fit &= taps_of(&s->in, s->channels) <= LONGEST && !are_mostly_full(width, lanes)
            && (s->filters > FEW_FILTERS || 2 * width < lanes);
    }
    return fit;
}

/* sum_up_images_f32, sum_up_images_f64 */
static int NAME(sum_up_images)(const NAME(sum) *sums, size_t count)
{
    size_t most = 0, products = 0; /* products: of one image */
    for (const NAME(sum) *s = sums; s < sums + count; s++) {
        size_t taps = taps_of(&s->in, s->channels);
        most = taps > most ? taps : most;
        products += s->groups * s->filters * taps * s->in.out[0] * s->in.out[1];
    }
    _Atomic int failed = 0;
    threads_deal(sums->images, sums->kernel->nr, 1 + sums->images * products / WORK_PER_THREAD, NAME(filter_images),
                 &(NAME(sums_of_images)){sums, count, most, &failed});
    return failed ? -1 : 0;
}

/* are_finite_f32, are_finite_f64: whether numbers times 0 are 0. */
static int NAME(are_finite)(const REAL *x, size_t n)
{
    int finite = 1;
    for (size_t i = 0; i < n; i++)
        finite &= x[i] - x[i] == 0;
    return finite;
}

/* convolve_f32, convolve_f64 */
int NAME(convolve)(const convolution *s, const REAL *x, const REAL *w, const REAL *bias, REAL *y)
{
    const size_t kernel = s->kernel[0] * s->kernel[1];
    NAME(sum) sum = {
        .images = s->images, .groups = s->groups, .filters = s->filters, .channels = s->channels,
        .in = patches_of(s), .out = images_of(s->images, s->groups, s->filters, s->out),
        .x = x, .w = w, .bias = bias, .y = y,
        .w_group = s->filters * s->channels * kernel, .w_filter = s->channels * kernel, .w_channel = kernel,
        .w_tap = {s->kernel[1], 1},
        .kernel = isa_current()->NAME(microkernel),
    };
    /* `sum_up_images` leaves out the zeros around an image, which are NaN times a weight that is not finite. */
    if (NAME(stand_side_by_side)(&sum, 1) && NAME(are_finite)(w, s->groups * s->filters * s->channels * kernel))
        return NAME(sum_up_images)(&sum, 1);
    return NAME(sum_up)(sum);
}

/* weights_f32, weights_f64: for each group dW (filters x taps) = dY (filters x places) X^T (places x taps), where X are the
 * patches `in` of x, dY the numbers `out` of dy. */
typedef struct {
    const convolution *size;
    patches in, out;
    band band;
    size_t group;
    const REAL *x, *dy;
    REAL *dw;
    const NAME(microkernel) *kernel;
    _Atomic int *failed;
} NAME(weights);

/* weights_part_f32, weights_part_f64: dW^T for some taps and filters, which one thread makes over the padded images: as
 * `correlate` of the channels with all filters, or, if depthwise, with a filter of its own for each channel. */
typedef struct {
    const NAME(weights) *all;
    int depthwise;
    size_t filter, filters, channel, channels, tap, taps; /* the first one, and how many; `tap` of the first channel */
    size_t width;                                         /* of a row of the sums: filters, and what fills the last vector */
    REAL *padded, *between, *packed;                      /* channels; the same with channels side by side; dY^T */
    ptrdiff_t *at, *places;                               /* of taps and of places in them */
} NAME(weights_part);

/* pack_chain_f32, pack_chain_f64: x and dy of n places from place p on, at most a chain. */
static void NAME(pack_chain)(const NAME(weights_part) *x, size_t p, size_t n)
{
    const NAME(weights) *s = x->all;
    const patches *in = &s->in;
    const size_t places = in->out[0] * in->out[1], nr = s->kernel->nr, lanes = s->kernel->lanes, pitch = s->band.piece;
    size_t top = 0;
    for (size_t done = 0, run; done < n; done += run) { /* image by image */
        size_t image = (p + done) / places, first = (p + done) % places, a = first / in->out[1];
        run = places - first < n - done ? places - first : n - done;
        band b = s->band;
        b.rows -= (in->out[0] - 1 - ((first + run - 1) / in->out[1] - a)) * (size_t)in->stride[0];
        for (size_t c = 0; c < x->channels; c++)
            NAME(pad)(in, &b, b.top + (ptrdiff_t)a * in->stride[0],
                      s->x + (ptrdiff_t)image * in->image + (ptrdiff_t)(x->channel + c) * in->channel,
                      x->padded + c * b.channel + top * pitch);
        for (size_t q = 0, row = top, column = first % in->out[1]; q < run; q++) {
            x->places[done + q] = (ptrdiff_t)((row * pitch + column * (size_t)in->stride[1]) * (x->depthwise ? lanes : 1));
            if (++column == in->out[1]) {
                column = 0;
                row += (size_t)in->stride[0];
            }
        }
        top += b.rows;
        const REAL *dy = s->dy + (ptrdiff_t)image * s->out.image + (ptrdiff_t)x->filter * s->out.channel + (ptrdiff_t)first;
        for (size_t f = 0; f < x->filters; f += nr)
            s->kernel->pack(x->filters - f < nr ? x->filters - f : nr, run, nr,
                            dy + (ptrdiff_t)f * s->out.channel, s->out.channel, 1, x->packed + f * n + done * nr);
    }
    if (x->depthwise)
        s->kernel->pack(x->channels, top * pitch, lanes, x->padded, (ptrdiff_t)s->band.channel, 1, x->between);
}

/* add_chain_f32, add_chain_f64: sums = added + those over n places from place p on, at most a chain. */
static void NAME(add_chain)(const NAME(weights_part) *x, size_t p, size_t n, const REAL *added, REAL *sums)
{
    const NAME(microkernel) *kernel = x->all->kernel;
    NAME(pack_chain)(x, p, n);
    for (size_t f = 0; f < x->filters; f += kernel->nr)
        for (size_t t = 0, rows; t < x->taps; t += rows) {
            size_t at = t * x->width + f, left = x->width - f;
            rows = panel(x->taps - t, kernel->mr);
            if (x->depthwise)
                kernel->correlate_each(rows, n, x->between, x->places, x->at + x->tap + t, x->packed, (ptrdiff_t)kernel->nr,
                                       added ? added + at : NULL, (ptrdiff_t)x->width, sums + at, (ptrdiff_t)x->width);
            else
                kernel->correlate(rows, (left < kernel->nr ? left : kernel->nr) / kernel->lanes, n, x->padded, x->places,
                                  x->at + x->tap + t, x->packed + f * n, (ptrdiff_t)kernel->nr, added ? added + at : NULL,
                                  (ptrdiff_t)x->width, sums + at, (ptrdiff_t)x->width);
        }
}

/* add_up_f32, add_up_f64: the sums over k places from place p on, cut as matmul cuts them. */
static int NAME(add_up)(const NAME(weights_part) *x, size_t p, size_t k, REAL *sums)
{
    if (k <= LONGEST) {
        const size_t chain = chain_of(k);
        for (size_t done = 0; done < k; done += chain)
            NAME(add_chain)(x, p + done, k - done < chain ? k - done : chain, done ? sums : NULL, sums);
        return 0;
    }
    const size_t numbers = x->taps * x->width, half = half_of(k);
    REAL *second = malloc(numbers * sizeof(REAL));
    int failed = !second || NAME(add_up)(x, p, half, sums) || NAME(add_up)(x, p + half, k - half, second);
    for (size_t i = 0; !failed && i < numbers; i++)
        sums[i] += second[i];
    free(second);
    return failed;
}

/* make_weights_f32, make_weights_f64: the part, transposed into its place in dW. */
static void NAME(make_weights)(NAME(weights_part) x)
{
    const NAME(weights) *s = x.all;
    const size_t lanes = s->kernel->lanes, nr = s->kernel->nr, taps = taps_of(&s->in, s->size->channels);
    const size_t first = x.channel % s->size->channels * taps_of(&s->in, 1) + x.tap;
    x.width = (x.filters + lanes - 1) / lanes * lanes;
    x.padded = zeros(x.channels * s->band.channel * sizeof(REAL));
    x.between = malloc((x.depthwise ? lanes * (s->band.channel + 1) : 1) * sizeof(REAL));
    x.packed = malloc((KC * ((x.filters + nr - 1) / nr * nr) + lanes) * sizeof(REAL));
    x.at = malloc(taps_of(&s->in, x.channels) * sizeof *x.at);
    x.places = malloc(KC * sizeof *x.places);
    REAL *sums = malloc(x.taps * x.width * sizeof(REAL));
    if (x.padded && x.between && x.packed && x.at && x.places && sums) {
        places_of_taps(&s->in, &s->band, x.channels, x.at);
        for (size_t t = 0; x.depthwise && t < x.taps; t++)
            x.at[t] *= (ptrdiff_t)lanes;
        if (NAME(add_up)(&x, 0, s->size->images * s->in.out[0] * s->in.out[1], sums))
            *s->failed = 1;
        for (size_t f = 0; f < x.filters; f++)
            for (size_t t = 0; t < x.taps; t++)
                s->dw[(x.filter + f) * taps + first + t] = sums[t * x.width + f];
    } else {
        *s->failed = 1;
    }
    free(x.padded);
    free(x.between);
    free(x.packed);
    free(x.at);
    free(x.places);
    free(sums);
}

/* weights_of_taps_f32, weights_of_taps_f64: of some taps of one group. */
static void NAME(weights_of_taps)(const void *job, size_t begin, size_t end)
{
    const NAME(weights) *s = job;
    const size_t kernel = taps_of(&s->in, 1), filters = s->size->filters;
    for (size_t t = begin, n; t < end; t += n) {
        n = panel(end - t, TAPS_AT_ONCE);
        for (size_t f = 0; f < filters; f += FILTERS_AT_ONCE)
            NAME(make_weights)((NAME(weights_part)){.all = s, .filter = s->group * filters + f,
                .filters = filters - f < FILTERS_AT_ONCE ? filters - f : FILTERS_AT_ONCE,
                .channel = s->group * s->size->channels + t / kernel, .channels = (t + n - 1) / kernel - t / kernel + 1,
                .tap = t % kernel, .taps = n});
    }
}

/* weights_of_groups_f32, weights_of_groups_f64: of some groups of one channel and one filter. */
static void NAME(weights_of_groups)(const void *job, size_t begin, size_t end)
{
    const NAME(weights) *s = job;
    for (size_t g = begin, n; g < end; g += n) {
        n = end - g < s->kernel->lanes ? end - g : s->kernel->lanes;
        NAME(make_weights)((NAME(weights_part)){.all = s, .depthwise = 1, .filter = g, .filters = n, .channel = g,
            .channels = n, .taps = taps_of(&s->in, 1)});
    }
}

/* convolve_weight_gradient_f32, convolve_weight_gradient_f64: over the padded images, unless a chain of places would need
 * more of them than it has patches. */
int NAME(convolve_weight_gradient)(const convolution *s, const REAL *x, const REAL *dy, REAL *dw)
{
    const NAME(microkernel) *kernel = isa_current()->NAME(microkernel);
    const size_t taps = s->channels * s->kernel[0] * s->kernel[1], places = s->out[0] * s->out[1];
    const size_t parts = 1 + s->filters * taps * s->images * places / WORK_PER_THREAD;
    patches in = patches_of(s), flat_in = flat(in), out = flat(images_of(s->images, s->groups, s->filters, s->out));
    _Atomic int missing = 0;
    NAME(weights) all = {.size = s, .in = in, .out = out, .band = band_of_chains(&in, s->images, kernel->lanes), .x = x,
        .dy = dy, .dw = dw, .kernel = kernel, .failed = &missing};
    int failed = 0, over_images = !is_plain(&in) && all.band.channel <= taps_of(&in, 1) * KC;
    if (over_images && s->channels == 1 && s->filters == 1) {
        threads_deal(s->groups, kernel->lanes, s->groups * parts, NAME(weights_of_groups), &all);
        return missing ? -1 : 0;
    }
    for (size_t g = 0; g < s->groups && !failed; g++)
        if (over_images) {
            all.group = g;
            threads_deal(taps, kernel->mr, parts, NAME(weights_of_taps), &all);
            failed = missing;
        } else {
            failed = NAME(multiply)(s->filters, taps, s->images * places,
                                    NAME(view)(dy + (ptrdiff_t)(g * s->filters) * out.channel, &out, 0),
                                    NAME(view)(x + (ptrdiff_t)(g * s->channels) * flat_in.channel, &flat_in, 1),
                                    (NAME(matrix)){0}, NAME(plain)(dw + g * s->filters * taps, taps));
        }
    return failed ? -1 : 0;
}

/* of_phase_f32, of_phase_f64: of each element with these phases: for each group dX (channels x places) = bias + W'
 * (channels x taps) dY (taps x places), where the taps are those of all filters which meet it. */
static NAME(sum) NAME(of_phase)(const convolution *s, ptrdiff_t p, ptrdiff_t q, const REAL *dy, const REAL *w, const REAL *bias,
                                REAL *dx)
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
    return (NAME(sum)){
        .images = s->images, .groups = s->groups, .filters = s->channels, .channels = s->filters,
        .in = in, .out = out,
        .x = dy, .w = w + (size_t)v.first * s->kernel[1] + (size_t)h.first, .bias = bias, .y = dx,
        .w_group = s->filters * s->channels * kernel, .w_filter = kernel, .w_channel = s->channels * kernel,
        .w_tap = {(size_t)v.step * s->kernel[1], (size_t)h.step},
        .kernel = isa_current()->NAME(microkernel),
    };
}

/* sum_of_met_f32, sum_of_met_f64: an element of dx, from those filters and taps alone which meet it. */
static REAL NAME(sum_of_met)(const convolution *s, const REAL *dy, const REAL *w, size_t image, size_t channel, ptrdiff_t y,
                             ptrdiff_t x)
{
    const size_t group = channel / s->channels, c = channel % s->channels;
    REAL sum = 0;
    for (size_t f = group * s->filters; f < (group + 1) * s->filters; f++)
        for (size_t t = 0; t < s->kernel[0]; t++)
            for (size_t l = 0; l < s->kernel[1]; l++) {
                ptrdiff_t down = y + s->padding[0] - (ptrdiff_t)t * s->dilation[0], a = down / s->stride[0];
                ptrdiff_t right = x + s->padding[1] - (ptrdiff_t)l * s->dilation[1], b = right / s->stride[1];
                if (down == a * s->stride[0] && right == b * s->stride[1] && (size_t)a < s->out[0] && (size_t)b < s->out[1])
                    sum += w[((f * s->channels + c) * s->kernel[0] + t) * s->kernel[1] + l]
                        * dy[((image * s->groups * s->filters + f) * s->out[0] + (size_t)a) * s->out[1] + (size_t)b];
                if (sum != sum)
                    return sum;
            }
    return sum;
}

/* mend_edges_f32, mend_edges_f64: where a tap is beyond the edge of dy, `of_phase` adds its weight times 0, which is NaN
 * if the weight is not finite. There dx is made anew. */
static void NAME(mend_edges)(const convolution *s, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx)
{
    const size_t numbers = s->groups * s->filters * s->channels * s->kernel[0] * s->kernel[1];
    if (NAME(are_finite)(w, numbers))
        return;
    for (size_t plane = 0; plane < s->images * s->groups * s->channels; plane++)
        for (size_t y = 0; y < s->size[0]; y++)
            for (size_t x = 0; x < s->size[1]; x++, dx++)
                if (*dx != *dx) {
                    size_t channel = plane % (s->groups * s->channels);
                    *dx = NAME(sum_of_met)(s, dy, w, plane / (s->groups * s->channels), channel, (ptrdiff_t)y, (ptrdiff_t)x)
                        + (bias ? bias[channel] : 0);
                }
}

/* convolve_input_gradient_f32, convolve_input_gradient_f64: elements that are whole strides apart meet the same taps, and
 * are made together. Without a stride these are all. */
int NAME(convolve_input_gradient)(const convolution *s, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx)
{
    size_t vertical = (size_t)s->stride[0], horizontal = (size_t)s->stride[1], count = 0;
    vertical = vertical < s->size[0] ? vertical : s->size[0];
    horizontal = horizontal < s->size[1] ? horizontal : s->size[1];
    NAME(sum) *sums = zeros(vertical * horizontal * sizeof *sums);
    if (!sums)
        return -1;
    for (size_t p = 0; p < vertical; p++)
        for (size_t q = 0; q < horizontal; q++)
            sums[count++] = NAME(of_phase)(s, (ptrdiff_t)p, (ptrdiff_t)q, dy, w, bias, dx);
    int failed = 0;
    if (NAME(stand_side_by_side)(sums, count)) {
        failed = NAME(sum_up_images)(sums, count);
    } else {
        for (size_t i = 0; i < count && !failed; i++)
            failed = NAME(sum_up)(sums[i]);
        if (!failed)
            NAME(mend_edges)(s, dy, w, bias, dx);
    }
    free(sums);
    return failed ? -1 : 0;
}

#undef SUFFIX
#undef REAL
