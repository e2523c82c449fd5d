/* product_avx2.c: y = k - 2 * popcount(x ^ w) by look-ups of 4 bits x 32 channels x 2 rows. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "product.h"
#include "tables.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

typedef __m256i vec;
#define vec_load(from) _mm256_load_si256((const void *)(from))
#define vec_table(from) _mm256_broadcastsi128_si256(_mm_load_si128((const void *)(from)))
#define vec_look_up(table, at) _mm256_shuffle_epi8(table, at)
#define vec_set16(value) _mm256_set1_epi16((int16_t)(value))
#define vec_and(a, b) _mm256_and_si256(a, b)
#define vec_add8(a, b) _mm256_add_epi8(a, b)
#define vec_sub8(a, b) _mm256_sub_epi8(a, b)
#define vec_add16(a, b) _mm256_add_epi16(a, b)
#define vec_shl16(a, by) _mm256_slli_epi16(a, by)
#define vec_shr16(a, by) _mm256_srli_epi16(a, by)

enum { LANES = 32 };

/* Of a panel: limits for bits, else the epilogues of 8 channels. */
typedef struct panel_finish {
    int64_t end; /* past its last channel */
    pair_limits limits;
    ob_finish_avx2 of[PANEL / 32][4];
} panel_finish;

static void load_finish(const ob_dense_job *job, int64_t channel, int64_t end, panel_finish *finish) {
    finish->end = end;
    if (by_limits(job)) {
        find_limits(job, channel, end, &finish->limits);
        return;
    }
    for (int i = 0; channel < end; i++, channel += 8) finish->of[i / 4][i % 4] = ob_finish_load_avx2(job, channel);
}

OB_INLINE void finish_bits(const ob_dense_job *job, const panel_finish *finish, const ob_pair_row *row,
                           __m256i even_u16x16, __m256i odd_u16x16, int64_t channel, int v) {
    const pair_limits *const l = &finish->limits;
    const int32_t left_out = (int32_t)job->k - row->k, p = left_out % 2;
    const __m256i h_i16x16 = _mm256_set1_epi16((int16_t)(left_out / 2));
    const __m256i even_limit_i16x16 = _mm256_sub_epi16(vec_load(l->even[p] + 16 * v), h_i16x16);
    const __m256i odd_limit_i16x16 = _mm256_sub_epi16(vec_load(l->odd[p] + 16 * v), h_i16x16);
    const __m256i even = _mm256_srli_epi16(_mm256_sub_epi16(even_limit_i16x16, even_u16x16), 8);
    const __m256i odd = _mm256_sub_epi16(odd_limit_i16x16, odd_u16x16); /* negative: the count is above */
    const __m256i above = _mm256_blendv_epi8(even, odd, _mm256_set1_epi16((int16_t)0xff00));
    const __m256i direction = _mm256_loadu_si256((const void *)(l->direction + 32 * v));
    const uint32_t minus = (uint32_t)(_mm256_movemask_epi8(above) ^ _mm256_movemask_epi8(direction));
    store_bits(row->out + channel / 8 + 4 * v, minus, finish->end - channel - LANES * v, sizeof minus);
}

/* 16-bit sums of one row become outputs. */
OB_INLINE void finish_row(const ob_dense_job *job, const panel_finish *finish, const ob_pair_row *row,
                          __m256i all_u16x16, __m256i odd_u16x16, int64_t channel, int v) {
    const __m256i even_u16x16 = _mm256_sub_epi16(all_u16x16, _mm256_slli_epi16(odd_u16x16, 8));
    if (by_limits(job)) {
        finish_bits(job, finish, row, even_u16x16, odd_u16x16, channel, v);
        return;
    }
    const __m256i low = _mm256_unpacklo_epi16(even_u16x16, odd_u16x16);
    const __m256i high = _mm256_unpackhi_epi16(even_u16x16, odd_u16x16);
    const __m128i eight_u16[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                                  _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
    for (int64_t g = 0, c = channel + 32 * v; g < 4 && c < finish->end; g++, c += 8) {
        const __m256i twice_u32x8 = _mm256_slli_epi32(_mm256_cvtepu16_epi32(eight_u16[g]), 1);
        const __m256i y_i32x8 = _mm256_sub_epi32(_mm256_set1_epi32(row->k), twice_u32x8);
        ob_store_to_avx2(job, &finish->of[v][g], row->out, c, y_i32x8);
    }
}

#include "generic.h"

void ob_pair_product_avx2(const ob_dense_job *job, const ob_pair_row *rows, int64_t count, const ob_pair_words *words,
                          int64_t channel, int64_t end) {
    multiply(job, rows, count, words, channel, end);
}

OB_TARGET_END

#endif
