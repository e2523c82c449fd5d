/* pack_avx2.c: as pack_avx512bw.c with 8 values in a vector. One compare and one movmskps make 8 bits of a word;
 * where the channels stand first, the compare's lanes take the channel's bit: 3 operations for 8 values.
 * Bottleneck: reading x, 256 bytes of float32 per word. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"
#include "forms.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum { VECTORS = 4, AHEAD = 256 };

/* 8 neighbouring values. */
OB_INLINE __m256 load8(const unsigned char *x, const int type) {
    if (type == OB_TYPE_F32) return _mm256_loadu_ps((const float *)(const void *)x);
    if (type == OB_TYPE_U8) return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)x)));
    if (type == OB_TYPE_S8) return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)x)));
    const __m128i half_x8 = _mm_loadu_si128((const void *)x);
    if (type == OB_TYPE_F16) return _mm256_cvtph_ps(half_x8);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half_x8), 16));
}

/* Of 8 values, or of their negatives: turn holds the sign bits. */
typedef struct limit {
    __m256 threshold_f32x8, turn_f32x8;
} limit;

OB_INLINE limit limit_of(__m256 threshold_f32x8, __m256i direction_i32x8) {
    const __m256i sign_i32x8 = _mm256_set1_epi32(INT32_MIN);
    const __m256 turn_f32x8 = _mm256_castsi256_ps(_mm256_and_si256(direction_i32x8, sign_i32x8));
    return (limit){_mm256_xor_ps(threshold_f32x8, turn_f32x8), turn_f32x8};
}

/* Random thresholds of the values number + lane * step, as uniform.h has them: 1 - 2 u, exact. */
OB_INLINE limit limit_drawn(const ob_pack_job *job, uint32_t number, uint32_t step) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i spread = _mm256_mullo_epi32(lanes, _mm256_set1_epi32((int32_t)(step * 0x9e3779b1u)));
    __m256i h = _mm256_add_epi32(spread, _mm256_set1_epi32((int32_t)(number * 0x9e3779b1u + job->seed)));
    h = _mm256_mullo_epi32(_mm256_xor_si256(h, _mm256_srli_epi32(h, 16)), _mm256_set1_epi32((int32_t)0x85ebca6bu));
    h = _mm256_mullo_epi32(_mm256_xor_si256(h, _mm256_srli_epi32(h, 13)), _mm256_set1_epi32((int32_t)0xc2b2ae35u));
    h = _mm256_srli_epi32(_mm256_xor_si256(h, _mm256_srli_epi32(h, 16)), 8);
    const __m256 twice_f32x8 = _mm256_mul_ps(_mm256_cvtepi32_ps(h), _mm256_set1_ps(0x1p-23f));
    return (limit){_mm256_sub_ps(_mm256_set1_ps(1), twice_f32x8), _mm256_setzero_ps()};
}

/* All ones where a value is -1. The comparison is ordered: NaN gives 0, which is +1. */
OB_INLINE __m256 minus8(__m256 x_f32x8, const limit *of, const int compared) {
    if (compared == OB_PACK_ZERO) return _mm256_cmp_ps(x_f32x8, _mm256_setzero_ps(), _CMP_LT_OQ);
    return _mm256_cmp_ps(_mm256_xor_ps(x_f32x8, of->turn_f32x8), of->threshold_f32x8, _CMP_LT_OQ);
}

/* ---- channels last ---- */

OB_INLINE uint64_t bits8(const ob_pack_job *job, const unsigned char *x, uint32_t number, int64_t channel,
                         const int type, const int compared) {
    const uint32_t step = (uint32_t)job->places;
    limit of = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    if (compared == OB_PACK_DRAWN) of = limit_drawn(job, number + (uint32_t)channel * step, step);
    if (compared == OB_PACK_THRESHOLD)
        of = limit_of(_mm256_loadu_ps(job->threshold + channel),
                      _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(job->direction + channel))));
    return (unsigned)_mm256_movemask_ps(minus8(load8(x + channel * ob_pack_bytes(type), type), &of, compared));
}

OB_INLINE void rows(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first; row < first + count; row++) {
        const unsigned char *x = job->x + row * job->c * ob_pack_bytes(type);
        unsigned char *out = job->out + row * job->words * 8;
        const uint32_t number = compared == OB_PACK_DRAWN ? ob_pack_number(job, row) : 0;
        for (int64_t channel = 0; channel < job->c; channel += 64, out += 8) {
            const int64_t left = job->c - channel < 64 ? job->c - channel : 64;
            uint64_t word = 0;
            int64_t b = 0;
            for (; b + 8 <= left; b += 8) word |= bits8(job, x, number, channel + b, type, compared) << b;
            for (const unsigned char *tail = x + (channel + b) * ob_pack_bytes(type); b < left; b++) {
                word |= ob_pack_minus(job, tail, number, channel + b, type, compared) << b;
                tail += ob_pack_bytes(type);
            }
            memcpy(out, &word, sizeof word);
        }
    }
}

/* ---- channels first ---- */

/* Bit i of lane p of bits[v]: channel + i is -1 at place 8 * v + p, for up to 32 channels; x is of the first. */
OB_INLINE void bits32(const ob_pack_job *job, const unsigned char *x, int64_t plane_bytes, uint32_t number,
                      int64_t channel, __m256i bits_u32x8[VECTORS], const int type, const int compared,
                      const int vectors) {
    const int64_t channels = job->c - channel < 32 ? job->c - channel : 32;
    OB_UNROLL
    for (int v = 0; v < vectors; v++) bits_u32x8[v] = _mm256_setzero_si256();
    for (int64_t i = 0; i < channels; i++, x += plane_bytes) {
        const __m256i bit_u32x8 = _mm256_set1_epi32((int32_t)((uint32_t)1 << i));
        limit of = {_mm256_setzero_ps(), _mm256_setzero_ps()};
        if (compared == OB_PACK_THRESHOLD)
            of = limit_of(_mm256_set1_ps(job->threshold[channel + i]), _mm256_set1_epi32(job->direction[channel + i]));
        OB_UNROLL
        for (int line = 0; line < ob_pack_bytes(type) * 8 * vectors; line += 64)
            _mm_prefetch((const char *)x + AHEAD + line, _MM_HINT_T0);
        OB_UNROLL
        for (int v = 0; v < vectors; v++) {
            if (compared == OB_PACK_DRAWN)
                of = limit_drawn(job, number + (uint32_t)((channel + i) * job->places) + 8 * (uint32_t)v, 1);
            const __m256 minus_u32x8 = minus8(load8(x + 8 * v * ob_pack_bytes(type), type), &of, compared);
            const __m256i set_u32x8 = _mm256_and_si256(_mm256_castps_si256(minus_u32x8), bit_u32x8);
            bits_u32x8[v] = _mm256_or_si256(bits_u32x8[v], set_u32x8);
        }
    }
}

/* 8 * vectors places and 64 channels. */
OB_INLINE void block(const ob_pack_job *job, const ob_pack_run *run, int64_t place, int64_t channel, const int type,
                     const int compared, const int vectors) {
    __m256i low_u32x8[VECTORS], high_u32x8[VECTORS];
    const unsigned char *x = run->x + channel * run->plane_bytes + place * ob_pack_bytes(type);
    const uint32_t number = run->number + (uint32_t)place;
    bits32(job, x, run->plane_bytes, number, channel, low_u32x8, type, compared, vectors);
    bits32(job, x + 32 * run->plane_bytes, run->plane_bytes, number, channel + 32, high_u32x8, type, compared, vectors);
    unsigned char *out = run->out + place * job->words * 8 + channel / 8;
    for (int v = 0; v < vectors; v++) {
        uint32_t low[8], high[8];
        _mm256_storeu_si256((void *)low, low_u32x8[v]);
        _mm256_storeu_si256((void *)high, high_u32x8[v]);
        for (int p = 0; p < 8; p++, out += job->words * 8) {
            const uint64_t word = low[p] | (uint64_t)high[p] << 32;
            memcpy(out, &word, sizeof word);
        }
    }
}

/* All places, `vectors` times 8 at once; the last block takes some of those before it again. */
OB_INLINE void blocks(const ob_pack_job *job, const ob_pack_run *run, int64_t channel, const int type,
                      const int compared, const int vectors) {
    const int64_t last = run->count - 8 * vectors;
    for (int64_t place = 0; place < run->count; place += 8 * vectors)
        block(job, run, place < last ? place : last, channel, type, compared, vectors);
}

OB_INLINE void planes(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first, end = first + count; row < end;) {
        const ob_pack_run run = ob_pack_run_at(job, row, end - row, type);
        for (int64_t channel = 0; channel < job->c; channel += 64) {
            if (run.count >= 8 * VECTORS)
                blocks(job, &run, channel, type, compared, VECTORS);
            else if (run.count >= 8)
                blocks(job, &run, channel, type, compared, 1);
            else
                ob_pack_few(job, &run, channel, type, compared);
        }
        row += run.count;
    }
}

OB_PACK_KERNEL(avx2)

OB_TARGET_END

#endif
