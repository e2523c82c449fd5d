/* product_avx2.h: 4 rows of bytes times 16 channels of a panel. vpmaddubsw adds two products in 16 bits, and so many
 * quads are added there as fit; only then are neighbours added in 32 bits (vpmaddwd by 1). Inside a target region.
 *
 * Cost of a quad of 16 channels, 256 MAC: 8 times (vpmaddubsw, vpaddw), 2 loads, 4 broadcasts; of every `short_quads`
 * of them 8 times (vpmaddwd, vpaddd).
 * Limit: two multiplications per cycle = 64 MAC/cycle, four times what float32 reaches with AVX2. */
#include <immintrin.h>

#include "../kernels.h"

enum { OB_PARTS_OF_PANEL = 4, OB_PART_BYTES = 64 }; /* of a quad: 16 channels */

/* As product_avx512.h; `panel` is at the part's 16 channels. */
OB_INLINE void ob_multiply(__m256i sum_i16x16[OB_PANEL_ROWS][2], const unsigned char *panel,
                           const unsigned char *const row[OB_PANEL_ROWS], int64_t q, int64_t end, const int64_t step,
                           const int unsigned_rows) {
    for (; q < end; q++) {
        const __m256i *const at = (const __m256i *)(const void *)(panel + OB_QUAD_BYTES * q);
        const __m256i panel_8x32[2] = {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            int32_t quad;
            memcpy(&quad, row[r] + q * step, sizeof quad);
            const __m256i row_8x32 = _mm256_set1_epi32(quad);
            OB_UNROLL
            for (int v = 0; v < 2; v++) {
                __m256i *const sum = &sum_i16x16[r][v];
                *sum = _mm256_add_epi16(*sum, unsigned_rows ? _mm256_maddubs_epi16(row_8x32, panel_8x32[v])
                                                            : _mm256_maddubs_epi16(panel_8x32[v], row_8x32));
                OB_IN_ORDER(*sum);
            }
        }
    }
}

OB_INLINE void ob_add_quads(__m256i sum_i32x8[OB_PANEL_ROWS][2], const unsigned char *panel,
                            const unsigned char *const row[OB_PANEL_ROWS], int64_t quads, int64_t short_quads,
                            const int64_t step, const int unsigned_rows) {
    for (int64_t q = 0; q < quads; q += short_quads) {
        __m256i pairs_i16x16[OB_PANEL_ROWS][2];
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) pairs_i16x16[r][0] = pairs_i16x16[r][1] = _mm256_setzero_si256();
        ob_multiply(pairs_i16x16, panel, row, q, q + short_quads < quads ? q + short_quads : quads, step,
                    unsigned_rows);
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            OB_UNROLL
            for (int v = 0; v < 2; v++) {
                const __m256i four_i32x8 = _mm256_madd_epi16(pairs_i16x16[r][v], _mm256_set1_epi16(1));
                sum_i32x8[r][v] = _mm256_add_epi32(sum_i32x8[r][v], four_i32x8);
            }
        }
    }
}

/* Which of 8 channels from `first` exist, as vpmaskmov takes it. */
OB_INLINE __m256i ob_live(int64_t channels, int64_t first) {
    const int32_t left = channels - first >= 8 ? 8 : (int32_t)(channels - first);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* (float)sum * step where the window lets it pass, else 0. */
OB_INLINE void ob_store_gradient(float *out, const float *window, __m256i live, __m256i sum_i32x8, float step) {
    __m256 g_f32x8 = _mm256_mul_ps(_mm256_cvtepi32_ps(sum_i32x8), _mm256_set1_ps(step));
    if (window) {
        const __m256 sign_f32x8 = _mm256_set1_ps(-0.0f), value_f32x8 = _mm256_maskload_ps(window, live);
        const __m256 size_f32x8 = _mm256_andnot_ps(sign_f32x8, value_f32x8);
        g_f32x8 = _mm256_and_ps(g_f32x8, _mm256_cmp_ps(size_f32x8, _mm256_set1_ps(1.0f), _CMP_LE_OQ));
    }
    _mm256_maskstore_ps(out, live, g_f32x8);
}
