/* pack_avx512bw.c: one compare makes 16 bits: values become float32 first, which is exact (value.h).
 *
 * A random threshold is made in the register where it is compared, by a dozen operations for 16 values.
 * A falling channel (direction -1) is a rising one of -x and -threshold: an exclusive or of the sign bits.
 * Channels last: the 16 bits are neighbours in a word. Channels first: a vector holds 16 places of one channel, and
 * the compare's mask sets that channel's bit in 16 places at once, so nothing is transposed: 2 operations for 16
 * values. A block of 64 places goes through 64 channels, one after another, and asks for the next bytes of each: no
 * processor foresees 64 streams (for bytes of 2 and 1 this made it 3 times as fast).
 * Bottleneck: reading x, 256 bytes of float32 per word. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "../uniform_avx512bw.h"
#include "forms.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum { VECTORS = 4, BLOCK = 16 * VECTORS, AHEAD = 256 };

OB_INLINE __mmask16 first_lanes(int64_t count) {
    return count < 16 ? (__mmask16)((1u << (count > 0 ? count : 0)) - 1) : (__mmask16)0xffff;
}

/* 16 neighbouring values, of which those in `live` are read; the others are 0. */
OB_INLINE __m512 load16(const unsigned char *x, __mmask16 live, const int type) {
    if (type == OB_TYPE_F32) return _mm512_maskz_loadu_ps(live, x);
    if (type == OB_TYPE_U8) return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(live, x)));
    if (type == OB_TYPE_S8) return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(live, x)));
    const __m256i half_x16 = _mm256_maskz_loadu_epi16(live, x);
    if (type == OB_TYPE_F16) return _mm512_cvtph_ps(half_x16);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half_x16), 16));
}

/* Of 16 values, or of their negatives: turn holds the sign bits. */
typedef struct limit {
    __m512 threshold_f32x16, turn_f32x16;
} limit;

OB_INLINE limit limit_of(__m512 threshold_f32x16, __m512i direction_i32x16) {
    const __m512i sign_i32x16 = _mm512_set1_epi32(INT32_MIN);
    const __m512 turn_f32x16 = _mm512_castsi512_ps(_mm512_and_si512(direction_i32x16, sign_i32x16));
    return (limit){_mm512_xor_ps(threshold_f32x16, turn_f32x16), turn_f32x16};
}

/* Random thresholds of the values number + lane * step: 1 - 2 u, exact. */
OB_INLINE limit limit_drawn(const ob_pack_job *job, uint32_t number, uint32_t step) {
    const __m512 random_f32x16 = ob_random24_avx512bw(job->seed, number, step), one_f32x16 = _mm512_set1_ps(1);
    const __m512 threshold_f32x16 = _mm512_fnmadd_ps(random_f32x16, _mm512_set1_ps(0x1p-23f), one_f32x16);
    return (limit){threshold_f32x16, _mm512_setzero_ps()};
}

/* Which of the live values are -1. The comparison is ordered: NaN gives 0, which is +1. */
OB_INLINE __mmask16 minus16(__m512 x_f32x16, const limit *of, __mmask16 live, const int compared) {
    if (compared == OB_PACK_ZERO) return _mm512_mask_cmp_ps_mask(live, x_f32x16, _mm512_setzero_ps(), _CMP_LT_OQ);
    const __m512 turned_f32x16 = _mm512_xor_ps(x_f32x16, of->turn_f32x16);
    return _mm512_mask_cmp_ps_mask(live, turned_f32x16, of->threshold_f32x16, _CMP_LT_OQ);
}

/* ---- channels last ---- */

OB_INLINE uint64_t bits16(const ob_pack_job *job, const unsigned char *x, uint32_t number, int64_t channel,
                          __mmask16 live, const int type, const int compared) {
    const uint32_t step = (uint32_t)job->places;
    limit of = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (compared == OB_PACK_DRAWN) of = limit_drawn(job, number + (uint32_t)channel * step, step);
    if (compared == OB_PACK_THRESHOLD)
        of = limit_of(_mm512_maskz_loadu_ps(live, job->threshold + channel),
                      _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(live, job->direction + channel)));
    return minus16(load16(x + channel * ob_pack_bytes(type), live, type), &of, live, compared);
}

OB_INLINE void rows(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first; row < first + count; row++) {
        const unsigned char *x = job->x + row * job->c * ob_pack_bytes(type);
        unsigned char *out = job->out + row * job->words * 8;
        const uint32_t number = compared == OB_PACK_DRAWN ? ob_pack_number(job, row) : 0;
        int64_t channel = 0;
        for (; channel + 64 <= job->c; channel += 64, out += 8) {
            uint64_t word = 0;
            OB_UNROLL
            for (int b = 0; b < 64; b += 16) word |= bits16(job, x, number, channel + b, 0xffff, type, compared) << b;
            memcpy(out, &word, sizeof word);
        }
        if (channel == job->c) continue;
        uint64_t word = 0;
        for (int b = 0; channel + b < job->c; b += 16)
            word |= bits16(job, x, number, channel + b, first_lanes(job->c - channel - b), type, compared) << b;
        memcpy(out, &word, sizeof word);
    }
}

/* ---- channels first ---- */

/* Bit i of lane p of bits[v]: channel + i is -1 at place 16 * v + p, for up to 32 channels; x is of the first. */
OB_INLINE void bits32(const ob_pack_job *job, const unsigned char *x, int64_t plane_bytes, uint32_t number,
                      int64_t channel, int64_t places, __m512i bits_u32x16[VECTORS], const int type, const int compared,
                      const int whole) {
    const int64_t channels = job->c - channel < 32 ? job->c - channel : 32;
    __mmask16 live[VECTORS];
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        bits_u32x16[v] = _mm512_setzero_si512();
        live[v] = whole ? (__mmask16)0xffff : first_lanes(places - 16 * v);
    }
    for (int64_t i = 0; i < channels; i++, x += plane_bytes) {
        const __m512i bit_u32x16 = _mm512_set1_epi32((int32_t)((uint32_t)1 << i));
        limit of = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        if (compared == OB_PACK_THRESHOLD)
            of = limit_of(_mm512_set1_ps(job->threshold[channel + i]), _mm512_set1_epi32(job->direction[channel + i]));
        OB_UNROLL
        for (int line = 0; line < ob_pack_bytes(type) * BLOCK; line += 64)
            _mm_prefetch((const char *)x + AHEAD + line, _MM_HINT_T0);
        OB_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            if (compared == OB_PACK_DRAWN)
                of = limit_drawn(job, number + (uint32_t)((channel + i) * job->places) + 16 * (uint32_t)v, 1);
            const __m512 x_f32x16 = load16(x + 16 * v * ob_pack_bytes(type), live[v], type);
            bits_u32x16[v] = _mm512_mask_or_epi32(bits_u32x16[v], minus16(x_f32x16, &of, live[v], compared),
                                                  bits_u32x16[v], bit_u32x16);
        }
    }
}

/* The word of 16 places, of which `places` exist, from their channels 0 to 31 and 32 to 63. */
OB_INLINE void store16(unsigned char *out, int64_t row_bytes, int64_t places, __m512i low_u32x16, __m512i high_u32x16) {
    uint64_t word[16];
    for (int half = 0; half < 2; half++) {
        const __m256i low_u32x8 = half ? _mm512_extracti64x4_epi64(low_u32x16, 1) : _mm512_castsi512_si256(low_u32x16);
        const __m256i high_u32x8 =
            half ? _mm512_extracti64x4_epi64(high_u32x16, 1) : _mm512_castsi512_si256(high_u32x16);
        const __m512i upper_u64x8 = _mm512_slli_epi64(_mm512_cvtepu32_epi64(high_u32x8), 32);
        _mm512_storeu_si512(word + 8 * half, _mm512_or_si512(_mm512_cvtepu32_epi64(low_u32x8), upper_u64x8));
    }
    for (int64_t p = 0; p < 16 && p < places; p++) memcpy(out + p * row_bytes, &word[p], sizeof word[p]);
}

OB_INLINE void block(const ob_pack_job *job, const ob_pack_run *run, int64_t place, int64_t channel, const int type,
                     const int compared, const int whole) {
    __m512i low_u32x16[VECTORS], high_u32x16[VECTORS];
    const int64_t places = run->count - place;
    const unsigned char *x = run->x + channel * run->plane_bytes + place * ob_pack_bytes(type);
    const uint32_t number = run->number + (uint32_t)place;
    bits32(job, x, run->plane_bytes, number, channel, places, low_u32x16, type, compared, whole);
    x += 32 * run->plane_bytes;
    bits32(job, x, run->plane_bytes, number, channel + 32, places, high_u32x16, type, compared, whole);
    unsigned char *out = run->out + place * job->words * 8 + channel / 8;
    OB_UNROLL
    for (int v = 0; v < VECTORS; v++)
        store16(out + 16 * v * job->words * 8, job->words * 8, places - 16 * v, low_u32x16[v], high_u32x16[v]);
}

OB_INLINE void planes(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first, end = first + count; row < end;) {
        const ob_pack_run run = ob_pack_run_at(job, row, end - row, type);
        for (int64_t channel = 0; channel < job->c; channel += 64) {
            if (run.count < BLOCK) block(job, &run, 0, channel, type, compared, 0);
            for (int64_t place = 0; place < run.count && run.count >= BLOCK; place += BLOCK) /* the last: again */
                block(job, &run, place < run.count - BLOCK ? place : run.count - BLOCK, channel, type, compared, 1);
        }
        row += run.count;
    }
}

OB_PACK_KERNEL(avx512bw)

OB_TARGET_END

#endif
