/* uniform.h: the numbers in [0, 1) that onebit.h calls a hash of a seed and of a value's number. */
#ifndef ONEBIT_TESTS_UNIFORM_H
#define ONEBIT_TESTS_UNIFORM_H

#include <stdint.h>

static float uniform(uint32_t seed, uint32_t index) {
    uint32_t h = index * 0x9e3779b1u + seed;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return (float)((h ^ h >> 16) >> 8) / 16777216.0f;
}

#endif
