/* product_avx512bw.c: y = k - 2 * popcount(x ^ w) by look-ups of 4 bits x 64 channels x 2 rows. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"
#include "product.h"
#include "tables.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

typedef __m512i vec;
#define vec_load(from) _mm512_load_si512(from)
#define vec_table(from) _mm512_broadcast_i32x4(_mm_load_si128((const void *)(from)))
#define vec_look_up(table, at) _mm512_shuffle_epi8(table, at)
#define vec_set16(value) _mm512_set1_epi16((int16_t)(value))
#define vec_and(a, b) _mm512_and_si512(a, b)
#define vec_add8(a, b) _mm512_add_epi8(a, b)
#define vec_sub8(a, b) _mm512_sub_epi8(a, b)
#define vec_add16(a, b) _mm512_add_epi16(a, b)
#define vec_shl16(a, by) _mm512_slli_epi16(a, by)
#define vec_shr16(a, by) _mm512_srli_epi16(a, by)

enum { LANES = 64 };

/* Of a panel: limits for bits, else the epilogues of 16 channels. */
typedef struct panel_finish {
    int64_t end; /* past its last channel */
    pair_limits limits;
    ob_finish_avx512 of[PANEL / 64][4];
} panel_finish;

static void load_finish(const ob_dense_job *job, int64_t channel, int64_t end, panel_finish *finish) {
    finish->end = end;
    if (by_limits(job)) {
        find_limits(job, channel, end, &finish->limits);
        return;
    }
    for (int i = 0; channel < end; i++, channel += 16) finish->of[i / 4][i % 4] = ob_finish_load_avx512(job, channel);
}

OB_INLINE void finish_bits(const ob_dense_job *job, const panel_finish *finish, const ob_pair_row *row,
                           __m512i even_u16x32, __m512i odd_u16x32, int64_t channel, int v) {
    const pair_limits *const l = &finish->limits;
    const int32_t left_out = (int32_t)job->k - row->k, p = left_out % 2;
    const __m512i h_i16x32 = _mm512_set1_epi16((int16_t)(left_out / 2));
    const __m512i even_limit_i16x32 = _mm512_sub_epi16(vec_load(l->even[p] + 32 * v), h_i16x32);
    const __m512i odd_limit_i16x32 = _mm512_sub_epi16(vec_load(l->odd[p] + 32 * v), h_i16x32);
    const __m512i even = _mm512_srli_epi16(_mm512_sub_epi16(even_limit_i16x32, even_u16x32), 8);
    const __m512i odd = _mm512_sub_epi16(odd_limit_i16x32, odd_u16x32); /* negative: the count is above */
    const __mmask64 above = _mm512_movepi8_mask(_mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, odd));
    const __mmask64 down = _mm512_movepi8_mask(_mm512_loadu_si512(l->direction + 64 * v));
    const uint64_t minus = above ^ down;
    store_bits(row->out + channel / 8 + 8 * v, minus, finish->end - channel - LANES * v, sizeof minus);
}

/* 16-bit sums of one row become outputs. */
OB_INLINE void finish_row(const ob_dense_job *job, const panel_finish *finish, const ob_pair_row *row,
                          __m512i all_u16x32, __m512i odd_u16x32, int64_t channel, int v) {
    const __m512i even_u16x32 = _mm512_sub_epi16(all_u16x32, _mm512_slli_epi16(odd_u16x32, 8));
    if (by_limits(job)) {
        finish_bits(job, finish, row, even_u16x32, odd_u16x32, channel, v);
        return;
    }
    const __m512i low = _mm512_unpacklo_epi16(even_u16x32, odd_u16x32);
    const __m512i high = _mm512_unpackhi_epi16(even_u16x32, odd_u16x32);
    const __m512i first_u16x32 = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
    const __m512i second_u16x32 = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
    const __m256i sixteen_u16[4] = {_mm512_castsi512_si256(first_u16x32), _mm512_extracti64x4_epi64(first_u16x32, 1),
                                    _mm512_castsi512_si256(second_u16x32), _mm512_extracti64x4_epi64(second_u16x32, 1)};
    for (int64_t g = 0, c = channel + 64 * v; g < 4 && c < finish->end; g++, c += 16) {
        const __m512i twice_u32x16 = _mm512_slli_epi32(_mm512_cvtepu16_epi32(sixteen_u16[g]), 1);
        const __m512i y_i32x16 = _mm512_sub_epi32(_mm512_set1_epi32(row->k), twice_u32x16);
        ob_store_to_avx512(job, &finish->of[v][g], row->out, c, y_i32x16);
    }
}

#include "generic.h"

void ob_pair_product_avx512bw(const ob_dense_job *job, const ob_pair_row *rows, int64_t count,
                              const ob_pair_words *words, int64_t channel, int64_t end) {
    multiply(job, rows, count, words, channel, end);
}

OB_TARGET_END

#endif
