/* product_avx512.h: 4 rows of bytes times a panel: sums of 4 x 64 channels in 16 vectors. Inside a target region. With
 * OB_VNNI vpdpbusd adds four products in 32 bits; without, vpmaddubsw adds two in 16 bits, and so many quads are added
 * there as fit.
 *
 * Cost of a quad, 1,024 MAC: 16 vpdpbusd or 16 times (vpmaddubsw, vpaddw), 4 loads of the panel, 4 broadcasting loads.
 * Limit: two of either per cycle = 128 MAC/cycle (Zen 5), which leaves room to stream the panel from L2. */
#include <immintrin.h>

#include "../kernels.h"

#ifdef OB_VNNI
#define OB_DOT _mm512_dpbusd_epi32
#else
#define OB_DOT(sum, x_u8x64, w_i8x64) _mm512_add_epi16(sum, _mm512_maddubs_epi16(x_u8x64, w_i8x64))
#endif

typedef struct ob_sums {
    __m512i of_i32x16[OB_PANEL_ROWS][4];
} ob_sums;

OB_INLINE void ob_clear_sums(ob_sums *s) {
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) {
        OB_UNROLL
        for (int v = 0; v < 4; v++) s->of_i32x16[r][v] = _mm512_setzero_si512();
    }
}

/* The products of quads [q, end), added by OB_DOT. step: bytes from quad to quad of a row; unsigned_rows: the rows'
 * bytes are unsigned and the panel's signed, or not. */
OB_INLINE void ob_multiply(ob_sums *s, const unsigned char *panel, const unsigned char *const row[OB_PANEL_ROWS],
                           int64_t q, int64_t end, const int64_t step, const int unsigned_rows) {
    for (; q < end; q++) {
        __m512i panel_8x64[4];
        OB_UNROLL
        for (int v = 0; v < 4; v++) panel_8x64[v] = _mm512_loadu_si512(panel + OB_QUAD_BYTES * q + 64 * v);
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            int32_t quad;
            memcpy(&quad, row[r] + q * step, sizeof quad);
            const __m512i row_8x64 = _mm512_set1_epi32(quad);
            OB_UNROLL
            for (int v = 0; v < 4; v++) {
                __m512i *const sum = &s->of_i32x16[r][v];
                *sum = unsigned_rows ? OB_DOT(*sum, row_8x64, panel_8x64[v]) : OB_DOT(*sum, panel_8x64[v], row_8x64);
                OB_IN_ORDER(*sum);
            }
        }
    }
}

/* short_quads: how many quads 16 bits hold. */
OB_INLINE void ob_add_quads(ob_sums *s, const unsigned char *panel, const unsigned char *const row[OB_PANEL_ROWS],
                            int64_t quads, int64_t short_quads, const int64_t step, const int unsigned_rows) {
#ifdef OB_VNNI
    (void)short_quads;
    ob_multiply(s, panel, row, 0, quads, step, unsigned_rows);
#else
    for (int64_t q = 0; q < quads; q += short_quads) {
        ob_sums pairs; /* of 16 bits */
        ob_clear_sums(&pairs);
        ob_multiply(&pairs, panel, row, q, q + short_quads < quads ? q + short_quads : quads, step, unsigned_rows);
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            OB_UNROLL
            for (int v = 0; v < 4; v++) {
                const __m512i sum_i32x16 = _mm512_madd_epi16(pairs.of_i32x16[r][v], _mm512_set1_epi16(1));
                s->of_i32x16[r][v] = _mm512_add_epi32(s->of_i32x16[r][v], sum_i32x16);
            }
        }
    }
#endif
}

/* Which of 16 channels from `first` exist. */
OB_INLINE __mmask16 ob_live(int64_t channels, int64_t first) {
    const int64_t left = channels - first;
    return left >= 16 ? (__mmask16)0xffff : left <= 0 ? (__mmask16)0 : (__mmask16)((1u << left) - 1);
}

/* (float)sum * step where the window lets it pass, else 0. */
OB_INLINE void ob_store_gradient(float *out, const float *window, __mmask16 live, __m512i sum_i32x16, float step) {
    __m512 g_f32x16 = _mm512_mul_ps(_mm512_cvtepi32_ps(sum_i32x16), _mm512_set1_ps(step));
    if (window) {
        const __m512 values = _mm512_abs_ps(_mm512_maskz_loadu_ps(live, window));
        g_f32x16 = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(values, _mm512_set1_ps(1.0f), _CMP_LE_OQ), g_f32x16);
    }
    _mm512_mask_storeu_ps(out, live, g_f32x16);
}
