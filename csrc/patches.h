/* patches.h: a stack of images as the matrix of its patches, which nobody has to make: a convolution is a product with
 * it, and `unfold` in microkernel.h reads any part of it from the images.
 *
 * Column j is a place (n, a, b) of the output, row i a tap (c, t, l): the number of channel c of image n at
 *
 *     y = a stride + t dilation - padding,  x = b stride + l dilation - padding
 *
 * with the numbers that each direction has, and 0 where that is outside the image. Strides, dilations and paddings may
 * be negative. With a kernel of 1 x 1 a row is a channel, and nothing but the images' own order. */
#ifndef MINIDL_PATCHES_H
#define MINIDL_PATCHES_H

#include <stddef.h>

typedef struct {
    size_t size;                                  /* of all the images' memory, in numbers */
    ptrdiff_t image, channel, row;                /* how far it is to the next one, in numbers; columns are contiguous */
    size_t height, width;                         /* of an image */
    size_t kernel[2], out[2];                     /* vertical, horizontal; as all that follows */
    ptrdiff_t stride[2], dilation[2], padding[2];
} patches;

#endif
