/* product_avx2.h: 4 rows of bytes times 16 channels of a panel. vpmaddubsw adds two products in 16 bits (at most
 * 2 * 255), vpmaddwd by 1 the pairs. Inside a target region.
 *
 * Cost of a quad of 16 channels, 256 MAC: 8 times (vpmaddubsw, vpmaddwd, vpaddd), 2 loads, 4 broadcasts.
 * Limit: two multiplications per cycle = 32 MAC/cycle, twice what float32 reaches with AVX2. */
#include <immintrin.h>

#include "../kernels.h"

enum { OB_PARTS_OF_PANEL = 4, OB_PART_BYTES = 64 }; /* of a quad: 16 channels */

OB_INLINE __m256i ob_dot_avx2(__m256i sum_i32x8, __m256i x_u8x32, __m256i w_i8x32) {
    const __m256i pairs_i16x16 = _mm256_maddubs_epi16(x_u8x32, w_i8x32);
    return _mm256_add_epi32(sum_i32x8, _mm256_madd_epi16(pairs_i16x16, _mm256_set1_epi16(1)));
}

/* As product_avx512.h; `panel` is at the part's 16 channels. */
OB_INLINE void ob_add_quads(__m256i sum[OB_PANEL_ROWS][2], const unsigned char *panel,
                            const unsigned char *const row[OB_PANEL_ROWS], int64_t quads, const int64_t step,
                            const int unsigned_rows) {
    for (int64_t q = 0; q < quads; q++) {
        __m256i panel_8x32[2];
        OB_UNROLL
        for (int v = 0; v < 2; v++)
            panel_8x32[v] = _mm256_loadu_si256((const __m256i *)(const void *)(panel + OB_QUAD_BYTES * q + 32 * v));
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            int32_t quad;
            memcpy(&quad, row[r] + q * step, sizeof quad);
            const __m256i row_8x32 = _mm256_set1_epi32(quad);
            OB_UNROLL
            for (int v = 0; v < 2; v++)
                sum[r][v] = unsigned_rows ? ob_dot_avx2(sum[r][v], row_8x32, panel_8x32[v])
                                          : ob_dot_avx2(sum[r][v], panel_8x32[v], row_8x32);
        }
    }
}

/* The sums of a row, as numbers in memory. */
OB_INLINE void ob_spill(const __m256i sum[2], int32_t y[16]) {
    _mm256_storeu_si256((__m256i *)(void *)y, sum[0]);
    _mm256_storeu_si256((__m256i *)(void *)(y + 8), sum[1]);
}
