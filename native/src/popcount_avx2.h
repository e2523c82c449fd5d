/* popcount_avx2.h: the number of bits 1 of each byte, looked up by nibbles: 6 operations for 256 bits. */
#ifndef ONEBIT_POPCOUNT_AVX2_H
#define ONEBIT_POPCOUNT_AVX2_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"
#include "target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

OB_INLINE __m256i ob_byte_counts_avx2(__m256i v_u8x32) {
    const __m256i counts_u8x32 = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2,
                                                  3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i low = _mm256_shuffle_epi8(counts_u8x32, _mm256_and_si256(v_u8x32, nibble));
    const __m256i high = _mm256_shuffle_epi8(counts_u8x32, _mm256_and_si256(_mm256_srli_epi16(v_u8x32, 4), nibble));
    return _mm256_add_epi8(low, high);
}

/* The low halves of 4 + 4 lanes, in order. */
OB_INLINE __m256i ob_narrow_u64_avx2(__m256i low_u64x4, __m256i high_u64x4) {
    const __m256 low = _mm256_castsi256_ps(low_u64x4), high = _mm256_castsi256_ps(high_u64x4);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88)), 0xd8);
}

OB_TARGET_END

#endif
#endif
