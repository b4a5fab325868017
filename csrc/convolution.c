/* convolution.c: convolutions as products with the matrix of the images' patches (patches.h), which nobody makes. Some
 * rows of the images are padded, and the micro-kernel finds the patches in them by tables of offsets; where vectors of
 * neighbours would be mostly empty, vectors hold a place of several images; and where there are too few of these, matmul
 * reads the patches from the images when it packs. The loops are in convolution_loops.h, once for each precision. */
#include "convolution.h"

#include "isa.h"
#include "matmul.h"
#include "threads.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many filters are run over the image itself whatever its width, for so few do not repay packing. */
enum { FEW_FILTERS = 4 };

/* About this many numbers of an image are padded at a time, and at least this many rows. */
enum { BAND = 1 << 15, LEAST_ROWS = 4 };

/* Images stand side by side if input and output of one have at most this many numbers, so that some stay in the cache; and as
 * if vectors had VECTOR bytes, so that all instruction sets choose alike: without the zeros beyond an edge a sum that
 * underflows may be -0, with them 0. */
enum { SIDE_BY_SIDE = 1 << 13, VECTOR = 32 };

/* At least mr * nr of every micro-kernel, and ROW_VECTORS * lanes. */
enum { LARGEST_TILE = 8 * 48 };

/* The weight gradient of this many taps and filters is made at once: what they meet in a chain of places stays in the
 * cache. */
enum { TAPS_AT_ONCE = 192, FILTERS_AT_ONCE = 96 };

enum { WORK_PER_THREAD = 1 << 18 };

/* A band of some rows of the output needs this of its channels, padded: `rows` rows from `top` on, `columns` from `left`
 * on. They stand in `stride` pieces of `piece` numbers, so that what neighbours in the output need are neighbours; a
 * channel has `channel` numbers, with a vector more than it needs, since vectors may begin at every one of them. */
typedef struct {
    size_t out_rows, rows, columns, pieces, piece, channel;
    ptrdiff_t top, left;
} band;

/* The first of as few parts as have at most `most` each, nearly equal ones. */
static size_t panel(size_t length, size_t most)
{
    size_t panels = (length + most - 1) / most;
    return (length + panels - 1) / panels;
}

/* How many vectors of places meet a panel of so many filters: more, where it has few. (`filter` has all of these.) */
static size_t most_vectors(size_t mr, size_t vectors, size_t rows)
{
    size_t fit = mr * vectors / rows, most = rows == 1 ? ROW_VECTORS : 4;
    return fit < most ? fit : most;
}

/* The matrix of images, a channel a row, a place a column. */
static patches images_of(size_t images, size_t groups, size_t channels, const size_t size[2])
{
    size_t plane = size[0] * size[1];
    return (patches){
        .size = plane * channels + (images - 1) * groups * channels * plane,
        .image = (ptrdiff_t)(groups * channels * plane),
        .channel = (ptrdiff_t)plane,
        .row = (ptrdiff_t)size[1],
        .height = size[0],
        .width = size[1],
        .kernel = {1, 1},
        .out = {size[0], size[1]},
        .stride = {1, 1},
    };
}

/* Whether patches are just the images' numbers, in order. */
static int is_plain(const patches *x)
{
    int plain = 1;
    for (int i = 0; i < 2; i++)
        plain &= x->kernel[i] == 1 && x->stride[i] == 1 && x->padding[i] == 0 && x->out[i] == (i ? x->width : x->height);
    return plain;
}

/* The same with each plane as one row, where its places are just its numbers: so that runs of neighbours are long. */
static patches flat(patches x)
{
    if (is_plain(&x)) {
        x.width *= x.height;
        x.row *= (ptrdiff_t)x.height;
        x.out[1] = x.width;
        x.out[0] = x.height = 1;
    }
    return x;
}

/* The matrix of the patches that meet the filters. */
static patches patches_of(const convolution *s)
{
    patches x = images_of(s->images, s->groups, s->channels, s->size);
    for (int i = 0; i < 2; i++) {
        x.kernel[i] = s->kernel[i];
        x.out[i] = s->out[i];
        x.stride[i] = s->stride[i];
        x.dilation[i] = s->dilation[i];
        x.padding[i] = s->padding[i];
    }
    return x;
}

/* The band of as many rows as have about `most` numbers; at least some. `pieces` is 1 or the horizontal stride. */
static band band_of(const patches *in, size_t channels, size_t lanes, size_t pieces, size_t most)
{
    ptrdiff_t reach[2], low[2];
    for (int i = 0; i < 2; i++) {
        ptrdiff_t last = ((ptrdiff_t)in->kernel[i] - 1) * in->dilation[i];
        low[i] = (last < 0 ? last : 0) - in->padding[i];
        reach[i] = (last < 0 ? -last : last) + 1;
    }
    band b = {.top = low[0], .left = low[1], .pieces = pieces};
    b.columns = (size_t)(((ptrdiff_t)in->out[1] - 1) * in->stride[1] + reach[1]);
    b.piece = (b.columns + pieces - 1) / pieces;
    size_t fit = most / (channels * pieces * b.piece * (size_t)in->stride[0]);
    b.out_rows = fit < LEAST_ROWS ? LEAST_ROWS : fit;
    b.out_rows = panel(in->out[0], b.out_rows);
    b.rows = (b.out_rows - 1) * (size_t)in->stride[0] + (size_t)reach[0];
    b.channel = b.rows * pieces * b.piece + lanes;
    return b;
}

static size_t taps_of(const patches *in, size_t channels)
{
    return channels * in->kernel[0] * in->kernel[1];
}

/* Where in a padded band the first place meets each tap. */
static void places_of_taps(const patches *in, const band *b, size_t channels, ptrdiff_t *places)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t t = 0; t < in->kernel[0]; t++)
            for (size_t l = 0; l < in->kernel[1]; l++) {
                size_t down = (size_t)((ptrdiff_t)t * in->dilation[0] - in->padding[0] - b->top);
                size_t right = (size_t)((ptrdiff_t)l * in->dilation[1] - in->padding[1] - b->left);
                *places++ = (ptrdiff_t)(c * b->channel + (down * b->pieces + right % b->pieces) * b->piece + right / b->pieces);
            }
}

/* What a chain of places of one or several images needs of each channel at most, one image below the other. */
static band band_of_chains(const patches *in, size_t images, size_t lanes)
{
    band b = band_of(in, 1, lanes, 1, PTRDIFF_MAX); /* a whole image */
    size_t lines = KC / in->out[1] + 2, most = KC / (in->out[0] * in->out[1]) + 2, stride = (size_t)in->stride[0];
    images = images < most ? images : most;
    b.channel = (lines * stride + images * (b.rows - (in->out[0] - 1) * stride)) * b.piece;
    return b;
}

/* Whether n numbers fill vectors to two thirds or more. */
static int are_mostly_full(size_t n, size_t lanes)
{
    return 3 * n >= 2 * ((n + lanes - 1) / lanes * lanes);
}

/* Whether filters are run over the images themselves: if vectors of places in a row are mostly full, and they are no
 * plain matrix already. */
static int are_run_over(const patches *in, size_t filters, size_t taps, size_t lanes)
{
    return taps && taps <= LONGEST && (filters <= FEW_FILTERS || (!is_plain(in) && are_mostly_full(in->out[1], lanes)));
}

/* In one direction, of all places y of the input those with y = phase (mod stride): which taps meet them. A tap t does
 * where y = place * stride + t * dilation - padding for a place of the output: these are `taps`, from `first` on, `step`
 * apart, and element a stride + phase meets tap number t at place a - `shift` - t `move`. */
typedef struct {
    size_t places, taps;
    ptrdiff_t first, step, shift, move;
} meeting;

static meeting meeting_of(const convolution *s, int i, ptrdiff_t phase)
{
    ptrdiff_t stride = s->stride[i], kernel = (ptrdiff_t)s->kernel[i], size = (ptrdiff_t)s->size[i];
    meeting m = {.step = 1};
    while (m.step * s->dilation[i] % stride)
        m.step++;
    while (m.first < kernel && (phase + s->padding[i] - m.first * s->dilation[i]) % stride)
        m.first++;
    m.places = (size_t)((size - phase + stride - 1) / stride);
    m.taps = (size_t)((kernel - m.first + m.step - 1) / m.step);
    m.shift = (m.first * s->dilation[i] - phase - s->padding[i]) / stride;
    m.move = m.step * s->dilation[i] / stride;
    return m;
}

static void *zeros(size_t size)
{
    void *memory = malloc(size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

#define SUFFIX f32
#define REAL float
#include "convolution_loops.h"

#define SUFFIX f64
#define REAL double
#include "convolution_loops.h"
