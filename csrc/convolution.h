/* convolution.h: the convolution of a stack of images with filters, and its two gradients, in float32 and float64. */
#ifndef MINIDL_CONVOLUTION_H
#define MINIDL_CONVOLUTION_H

#include <stddef.h>

/* The images are groups x channels x size, the output groups x filters x out, the weight groups x filters x channels x
 * kernel numbers, one after the other. Pairs are vertical and horizontal. */
typedef struct {
    size_t images, groups, channels, filters; /* channels and filters: of one group */
    size_t size[2], kernel[2], out[2];
    ptrdiff_t stride[2], padding[2], dilation[2];
} convolution;

/* y = bias + w * x. With K = channels * kernel numbers, an element of y is a sum over K made as one of matmul is, from
 * the first channel's first row on. Memory: another weight, and for each thread some padded rows of an image; or, for each
 * thread, some small images and what is made of them. Returns 0, or -1 where there is no memory; y may be filled in part
 * then. */
int convolve_f32(const convolution *size, const float *x, const float *w, const float *bias, float *y);
int convolve_f64(const convolution *size, const double *x, const double *w, const double *bias, double *y);

/* dx of dy; plus a bias for each channel, as the transposed convolution has it whose forward pass this is. The sum over
 * those filters and taps which meet an element is made in the same way, with as much memory. */
int convolve_input_gradient_f32(const convolution *size, const float *dy, const float *w, const float *bias, float *dx);
int convolve_input_gradient_f64(const convolution *size, const double *dy, const double *w, const double *bias, double *dx);

/* dw: sums over all places of all images, in this order. Memory, for each thread: what a chain of places needs of the
 * images, padded, and of dy; and the sums of some filters and taps, once more for each doubling beyond 4,096 places. */
int convolve_weight_gradient_f32(const convolution *size, const float *x, const float *dy, float *dw);
int convolve_weight_gradient_f64(const convolution *size, const double *x, const double *dy, double *dw);

#endif
