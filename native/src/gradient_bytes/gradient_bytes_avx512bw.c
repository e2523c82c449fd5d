/* gradient_bytes_avx512bw.c: 4 positions x 16 channels at a time. Four vectors of whole numbers, packed to bytes with
 * saturation, hold each position's 4 channels of a 128-bit lane one after the other; one byte shuffle makes the 4
 * positions of a channel neighbours. Bottleneck: memory; rounding at random, its hash. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "../uniform_avx512bw.h"
#include "gradient_bytes.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum { AHEAD = 2 }; /* quads that are asked for before they are needed */

OB_INLINE __m512 uniform(uint32_t seed, uint32_t index) {
    return _mm512_mul_ps(ob_random24_avx512bw(seed, index, 1), _mm512_set1_ps(0x1p-24f));
}

OB_INLINE __m512i rounded(__m512 v, __m512 u, const int stochastic) {
    if (!stochastic) return _mm512_cvt_roundps_epi32(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 sum = _mm512_min_ps(_mm512_add_ps(v, u), _mm512_set1_ps(127.0f));
    return _mm512_cvt_roundps_epi32(sum, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* A quad of positions, of which the first `count` exist. */
OB_INLINE void quad_of_4(const ob_gradient_bytes_job *job, int64_t quad, int64_t count, int32_t *sums,
                         const int stochastic) {
    const __m512i columns = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    unsigned char *place[4] = {NULL, NULL, NULL, NULL};
    __m512 by_picture[4];
    for (int64_t i = 0; i < 4; i++) {
        const int64_t position = 4 * quad + (i < count ? i : 0);
        by_picture[i] = _mm512_set1_ps(job->pictures ? job->by_picture[position / job->picture_positions] : 0);
        if (job->pictures) place[i] = ob_gradient_place(job, position);
    }
    for (int64_t j = 0; j < job->n; j += OB_BLOCK_CHANNELS) {
        const __mmask16 live =
            job->n - j < OB_BLOCK_CHANNELS ? (__mmask16)((1u << (job->n - j)) - 1) : (__mmask16)0xffff;
        const int64_t room = job->place_bytes - j;
        const __mmask16 there = room < OB_BLOCK_CHANNELS ? (__mmask16)((1u << room) - 1) : (__mmask16)0xffff;
        const __m512 by_channel = _mm512_loadu_ps(job->by_channel + j);
        __m512i q_i32x16[4], sum_i32x16 = _mm512_loadu_si512(sums + j);
        OB_UNROLL
        for (int i = 0; i < 4; i++) {
            const int64_t position = 4 * quad + i;
            const float *const from = job->g + position * job->n + j;
            const __m512 g = _mm512_maskz_loadu_ps(i < count ? live : 0, from);
            _mm_prefetch(from + 4 * AHEAD * job->n, _MM_HINT_T0);
            const __m512 u = stochastic ? uniform(job->seed, (uint32_t)(position * job->n + j)) : by_channel;
            q_i32x16[i] = rounded(_mm512_mul_ps(g, by_channel), u, stochastic);
            sum_i32x16 = _mm512_add_epi32(sum_i32x16, q_i32x16[i]);
            if (job->pictures && i < count) {
                const __m512i q = rounded(_mm512_mul_ps(g, by_picture[i]), u, stochastic);
                _mm_mask_storeu_epi8(place[i] + j, there, _mm_xor_si128(_mm512_cvtepi32_epi8(q), _mm_set1_epi8(-128)));
            }
        }
        if (!job->blocks) continue;
        _mm512_storeu_si512(sums + j, sum_i32x16);
        unsigned char *const to = job->blocks + j / OB_BLOCK_CHANNELS * job->block_bytes + quad * 64;
        __builtin_prefetch(to + AHEAD * 64, 1); /* each block is a stream of its own, too many to be foreseen */
        const __m512i low = _mm512_packs_epi32(q_i32x16[0], q_i32x16[1]);
        const __m512i high = _mm512_packs_epi32(q_i32x16[2], q_i32x16[3]);
        _mm512_storeu_si512(to, _mm512_shuffle_epi8(_mm512_packs_epi16(low, high), columns));
    }
}

void ob_gradient_bytes_avx512bw(const ob_gradient_bytes_job *job, int64_t quad, int64_t quads, int32_t *sums) {
    for (int64_t end = quad + quads; quad < end; quad++) {
        const int64_t left = job->positions - 4 * quad;
        if (job->stochastic)
            quad_of_4(job, quad, left < 4 ? left : 4, sums, 1);
        else
            quad_of_4(job, quad, left < 4 ? left : 4, sums, 0);
    }
}

OB_TARGET_END

#endif
