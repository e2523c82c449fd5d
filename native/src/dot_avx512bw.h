/* dot_avx512bw.h: what vpdpbusd does, on processors without it: vpmaddubsw, vpmaddwd by 1, vpaddd. */
#ifndef ONEBIT_DOT_AVX512BW_H
#define ONEBIT_DOT_AVX512BW_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"
#include "target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

/* sum + the four products of each lane. Two neighbouring ones must fit 16 bits, where vpmaddubsw saturates: w is from
 * -64 to 64 (2 * 255 * 64 < 2^15). */
OB_INLINE __m512i ob_dot_avx512bw(__m512i sum_i32x16, __m512i x_u8x64, __m512i w_i8x64) {
    const __m512i pairs_i16x32 = _mm512_maddubs_epi16(x_u8x64, w_i8x64);
    return _mm512_add_epi32(sum_i32x16, _mm512_madd_epi16(pairs_i16x32, _mm512_set1_epi16(1)));
}

OB_TARGET_END

#endif
#endif
