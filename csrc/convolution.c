/* convolution.c: convolutions as products with the matrix of the images' patches (patches.h), which matmul reads
 * straight from the images when it packs. The loops are in convolution_loops.h, once for each precision. */
#include "convolution.h"

#include "matmul.h"

#include <stdlib.h>

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

/* The same with a plane as one row, so that runs of neighbours are long. */
static patches planes_of(size_t images, size_t groups, size_t channels, const size_t size[2])
{
    return images_of(images, groups, channels, (size_t[2]){1, size[0] * size[1]});
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

#define SUFFIX f32
#define REAL float
#include "convolution_loops.h"

#define SUFFIX f64
#define REAL double
#include "convolution_loops.h"
