/* weights.h: the pre-packed weight handle.
 *
 *   0   4  magic "1BWT"        4  4  layout = 1        8  8  n        16  8  k        24  40  zero
 *   64     [ceil(n / 8)][ceil(k / 64)][8] uint64: word w of channel 8 * g + c stands at [g][w][c]; channels past n
 *          and bits past k are 0
 *
 * One 64-byte line is word w of 8 neighbouring channels, so vector lanes are channels and a kernel needs no sum across
 * lanes. The layout serves every instruction set; a kernel that wants another order rearranges a panel as it goes. */
#ifndef ONEBIT_WEIGHTS_H
#define ONEBIT_WEIGHTS_H

#include <stdint.h>

#include "onebit.h"

enum { OB_WEIGHTS_HEADER = 64, OB_WEIGHTS_LAYOUT = 1 };

/* OB_OK if `weights` is a handle for this n and k. */
ob_status ob_weights_check(const void *weights, size_t bytes, int64_t n, int64_t k);

#endif
