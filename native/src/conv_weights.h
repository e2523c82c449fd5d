/* conv_weights.h: the pre-packed weight handle of a convolution.
 *
 *   0   4  magic "1BWT"        4  4  layout = 2        8  8  n        16  8  c
 *   24  4  groups              28  8  kernel           36  28  zero
 *   64     [ceil(n / 8)][taps][slots][8] uint64: one line is a word of 8 neighbouring output channels
 *
 * The bits of output channel o stand where those of its group's input channels stand in a pixel: channel l of group g
 * is bit (g * c/groups + l) % 64 of slot (g * c/groups + l) / 64 - first, where first = g * c/groups / 64 is the
 * group's first word. Slots is the largest number of words that one group touches. Every other bit is 0. */
#ifndef ONEBIT_CONV_WEIGHTS_H
#define ONEBIT_CONV_WEIGHTS_H

#include "onebit.h"

enum { OB_CONV_WEIGHTS_HEADER = 64, OB_CONV_WEIGHTS_LAYOUT = 2 };

/* OB_OK if the sizes are in range and the groups divide the channels. */
ob_status ob_conv_sizes_check(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2]);
/* OB_OK if `weights` is a handle for these sizes. */
ob_status ob_conv_weights_check(const void *weights, size_t bytes, int64_t n, int64_t c, int32_t groups,
                                const int32_t kernel[2]);
/* The largest number of words of a pixel that the channels of one group touch. */
int64_t ob_conv_slots(int64_t c, int32_t groups);

#endif
