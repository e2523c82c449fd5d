/* popcount_scalar.h: the number of bits 1 of a word, on any processor: 12 operations. */
#ifndef ONEBIT_POPCOUNT_SCALAR_H
#define ONEBIT_POPCOUNT_SCALAR_H

#include "kernels.h"

OB_INLINE uint64_t ob_popcount(uint64_t v) {
    v -= v >> 1 & 0x5555555555555555u;
    v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
    v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return v * 0x0101010101010101u >> 56;
}

#endif
