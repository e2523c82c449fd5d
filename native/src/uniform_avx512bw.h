/* uniform_avx512bw.h: uniform.h for 16 numbers at once. */
#ifndef ONEBIT_UNIFORM_AVX512BW_H
#define ONEBIT_UNIFORM_AVX512BW_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"
#include "target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

/* 24 random bits as float32, of the values number + lane * step. */
OB_INLINE __m512 ob_random24_avx512bw(uint32_t seed, uint32_t number, uint32_t step) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i spread = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((int32_t)(step * 0x9e3779b1u)));
    __m512i h = _mm512_add_epi32(spread, _mm512_set1_epi32((int32_t)(number * 0x9e3779b1u + seed)));
    h = _mm512_mullo_epi32(_mm512_xor_si512(h, _mm512_srli_epi32(h, 16)), _mm512_set1_epi32((int32_t)0x85ebca6bu));
    h = _mm512_mullo_epi32(_mm512_xor_si512(h, _mm512_srli_epi32(h, 13)), _mm512_set1_epi32((int32_t)0xc2b2ae35u));
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_xor_si512(h, _mm512_srli_epi32(h, 16)), 8));
}

OB_TARGET_END

#endif
#endif
