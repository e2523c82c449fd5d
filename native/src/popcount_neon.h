/* popcount_neon.h: counts of bits 1 in vectors of 128 bits, two channels in each. */
#ifndef ONEBIT_POPCOUNT_NEON_H
#define ONEBIT_POPCOUNT_NEON_H

#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels.h"
#include "target.h"

enum { OB_PAIRS_NEON = 4 }; /* of a line of 8 channels */

/* Adds 16 counts of bytes to those of their two channels. */
OB_INLINE uint64x2_t ob_widen_neon(uint64x2_t sum_u64x2, uint8x16_t counts_u8x16) {
    return vpadalq_u32(sum_u64x2, vpaddlq_u16(vpaddlq_u8(counts_u8x16)));
}

/* The counts of 8 channels, in order, as 32 bits. */
OB_INLINE void ob_narrow_neon(const uint64x2_t sum_u64x2[OB_PAIRS_NEON], int32x4_t to_i32x4[2]) {
    for (int h = 0; h < 2; h++) {
        const uint32x4_t low = vreinterpretq_u32_u64(sum_u64x2[2 * h]);
        const uint32x4_t high = vreinterpretq_u32_u64(sum_u64x2[2 * h + 1]);
        to_i32x4[h] = vreinterpretq_s32_u32(vuzp1q_u32(low, high));
    }
}

#endif
#endif
