/* uniform.h: a random number that is a hash of its place, the same for every thread, layout and instruction set. */
#ifndef ONEBIT_UNIFORM_H
#define ONEBIT_UNIFORM_H

#include "kernels.h"

/* 24 bits of a hash of the number of a value. */
OB_INLINE int32_t ob_random24(uint32_t seed, uint32_t number) {
    uint32_t h = number * 0x9e3779b1u + seed;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    h ^= h >> 16;
    return (int32_t)(h >> 8);
}

/* Uniform in [0, 1), exact. */
OB_INLINE float ob_uniform(uint32_t seed, uint32_t number) {
    return (float)ob_random24(seed, number) * 0x1p-24f;
}

#endif
