/* unpack_neon.c: x[i] = -1 if bit i is 1, else +1: cmtst of 4 bits chooses the sign.
 * Bottleneck: writing x, 256 bytes per word. Built and checked under emulation; its speed was not measured. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../kernels.h"

OB_INLINE float32x4_t signs4(uint64_t bits) {
    static const uint32_t bit_of[4] = {1, 2, 4, 8};
    const uint32x4_t minus_u32x4 = vtstq_u32(vdupq_n_u32((uint32_t)bits), vld1q_u32(bit_of));
    return vbslq_f32(minus_u32x4, vdupq_n_f32(-1), vdupq_n_f32(1));
}

void ob_unpack_neon(const uint64_t *words, int64_t rows, int64_t k, float *x) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < k; i += 64) {
            const int64_t left = k - i < 64 ? k - i : 64;
            const uint64_t word = *words++;
            int64_t b = 0;
            for (; b + 4 <= left; b += 4, x += 4) vst1q_f32(x, signs4(word >> b));
            for (; b < left; b++) *x++ = word >> b & 1 ? -1.0f : 1.0f;
        }
}

#endif
