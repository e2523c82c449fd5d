/* gradient_windows_avx512bw.c: the steps of gradient_windows.h that most bytes and floats pass through, by hand: a
 * window's place chooses from a table in a register, and what comes from memory is asked for beforehand. The other
 * steps are gradient_windows.h, compiled for it.
 *
 * Cost of 64 bytes of a plane: 2 vpshufb, 3 more, 2 loads, 1 store; of 16 windows: 4 loads, 4 compares, 3 additions. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)
#include "gradient_windows.h"

OB_INLINE __mmask16 first_lanes(int64_t left) {
    return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

/* 16 channels of a window's four places. */
typedef struct window {
    __m512 a, b, c, d;
} window;

OB_INLINE window load_window(const float *upper, const float *lower, int64_t n, __mmask16 live) {
    return (window){_mm512_maskz_loadu_ps(live, upper), _mm512_maskz_loadu_ps(live, upper + n),
                    _mm512_maskz_loadu_ps(live, lower), _mm512_maskz_loadu_ps(live, lower + n)};
}

static int32_t take(const ob_window_row *row, float *values, unsigned char *which) {
    enum { AHEAD = 2 }; /* windows */
    const __m512 zero = _mm512_setzero_ps();
    uint32_t several = 0;
    for (int64_t i = 0; i < row->windows; i++, values += row->n, which += row->place_bytes) {
        const float *const upper = row->g + 2 * i * row->n, *const lower = upper + row->row_values;
        for (int64_t j = 0; j < row->n; j += 16) {
            const __mmask16 live = first_lanes(row->n - j);
            const window w = load_window(upper + j, lower + j, row->n, live);
            const uint32_t of_a = _mm512_cmp_ps_mask(w.a, zero, _CMP_NEQ_UQ),
                           of_b = _mm512_cmp_ps_mask(w.b, zero, _CMP_NEQ_UQ);
            const uint32_t of_c = _mm512_cmp_ps_mask(w.c, zero, _CMP_NEQ_UQ),
                           of_d = _mm512_cmp_ps_mask(w.d, zero, _CMP_NEQ_UQ);
            _mm_prefetch(upper + 2 * AHEAD * row->n + j, _MM_HINT_T0);
            _mm_prefetch(upper + (2 * AHEAD + 1) * row->n + j, _MM_HINT_T0);
            _mm_prefetch(lower + 2 * AHEAD * row->n + j, _MM_HINT_T0);
            _mm_prefetch(lower + (2 * AHEAD + 1) * row->n + j, _MM_HINT_T0);
            several |= (of_a & of_b) | (of_c & of_d) | ((of_a | of_b) & (of_c | of_d));
            const __m128i below = _mm_maskz_set1_epi8((__mmask16)(of_c | of_d), 2);
            const __m128i place = _mm_or_si128(below, _mm_maskz_set1_epi8((__mmask16)(of_b | of_d), 1));
            _mm512_mask_storeu_ps(values + j, live, _mm512_add_ps(_mm512_add_ps(w.a, w.b), _mm512_add_ps(w.c, w.d)));
            _mm_mask_storeu_epi8(which + j, live, place);
        }
        if (several) return 1;
    }
    return 0;
}

static void largest(const ob_window_row *row, float *values, unsigned char *which) {
    for (int64_t i = 0; i < row->windows; i++, values += row->n, which += row->place_bytes) {
        const float *const upper = row->g + 2 * i * row->n, *const lower = upper + row->row_values;
        for (int64_t j = 0; j < row->n; j += 16) {
            const __mmask16 live = first_lanes(row->n - j);
            const window w = load_window(upper + j, lower + j, row->n, live);
            const __mmask16 of_b = _mm512_cmp_ps_mask(w.b, w.a, _CMP_GT_OQ),
                            of_d = _mm512_cmp_ps_mask(w.d, w.c, _CMP_GT_OQ);
            const __m512 above = _mm512_mask_mov_ps(w.a, of_b, w.b), under = _mm512_mask_mov_ps(w.c, of_d, w.d);
            const __mmask16 below = _mm512_cmp_ps_mask(under, above, _CMP_GT_OQ);
            const __mmask16 right = (__mmask16)((below & of_d) | (~below & of_b));
            const __m128i place = _mm_or_si128(_mm_maskz_set1_epi8(below, 2), _mm_maskz_set1_epi8(right, 1));
            _mm512_mask_storeu_ps(values + j, live, _mm512_mask_mov_ps(above, below, under));
            _mm_mask_storeu_epi8(which + j, live, place);
        }
    }
}

static void plane(const unsigned char *q, const unsigned char *which, int64_t count, int64_t plane, int32_t zero,
                  unsigned char *out) {
    unsigned char keep[4], turn[4];
    for (int place = 0; place < 4; place++) {
        keep[place] = ob_window_keeps(plane, (unsigned char)place);
        turn[place] = ob_window_turns(plane, (unsigned char)place);
    }
    uint32_t keeps, turns;
    memcpy(&keeps, keep, 4), memcpy(&turns, turn, 4);
    const __m512i keep_u8x64 = _mm512_set1_epi32((int32_t)keeps), turn_u8x64 = _mm512_set1_epi32((int32_t)turns);
    const __m512i bias = _mm512_set1_epi8((char)zero);
    for (int64_t i = 0; i < count; i += 64) {
        const __mmask64 live = count - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (count - i)) - 1;
        const __m512i place = _mm512_maskz_loadu_epi8(live, which + i);
        const __m512i q_s8x64 = _mm512_xor_si512(_mm512_maskz_loadu_epi8(live, q + i), bias);
        const __m512i kept = _mm512_shuffle_epi8(keep_u8x64, place), turned = _mm512_shuffle_epi8(turn_u8x64, place);
        const __m512i value = _mm512_sub_epi8(_mm512_xor_si512(q_s8x64, turned), turned);
        _mm512_mask_storeu_epi8(out + i, live, _mm512_xor_si512(_mm512_and_si512(value, kept), bias));
    }
}

static void join(const float *const in[4], int64_t count, float sign, float *out) {
    const __m512 sign_f32x16 = _mm512_set1_ps(sign);
    for (int64_t i = 0; i < count; i += 16) { /* whole panels of 64 */
        const __m512 left = _mm512_sub_ps(_mm512_loadu_ps(in[0] + i), _mm512_loadu_ps(in[1] + i));
        const __m512 right = _mm512_fmadd_ps(sign_f32x16, _mm512_loadu_ps(in[3] + i), _mm512_loadu_ps(in[2] + i));
        _mm512_storeu_ps(out + i, _mm512_add_ps(left, right));
    }
}

OB_INLINE __m512 passed(__m512 g_f32x16, const float *window, __mmask16 live) {
    if (!window) return g_f32x16;
    const __m512 value = _mm512_abs_ps(_mm512_maskz_loadu_ps(live, window));
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(value, _mm512_set1_ps(1.0f), _CMP_LE_OQ), g_f32x16);
}

static void finish_x(const float *const in[4], int64_t channels, float sign, float step, const float *window,
                     float *out) {
    const __m512 sign_f32x16 = _mm512_set1_ps(sign), step_f32x16 = _mm512_set1_ps(step);
    for (int64_t i = 0; i < channels; i += 16) { /* in[] holds whole panels */
        const __mmask16 live = first_lanes(channels - i);
        const __m512 left = _mm512_sub_ps(_mm512_loadu_ps(in[0] + i), _mm512_loadu_ps(in[1] + i));
        const __m512 right = _mm512_fmadd_ps(sign_f32x16, _mm512_loadu_ps(in[3] + i), _mm512_loadu_ps(in[2] + i));
        const __m512 sum = _mm512_mul_ps(_mm512_add_ps(left, right), _mm512_set1_ps(0.25f));
        const __m512 g_f32x16 = passed(_mm512_mul_ps(sum, step_f32x16), window ? window + i : NULL, live);
        _mm512_mask_storeu_ps(out + i, live, g_f32x16);
    }
}

/* 2 t of three taps from four sums, see pooled.c. */
OB_INLINE void taps_of(const __m512i m[OB_WINDOW_FACTORS], __m512i t[3]) {
    const __m512i both = _mm512_add_epi32(m[OB_SUM], m[OB_DIFFERENCE]);
    t[0] = _mm512_add_epi32(both, _mm512_slli_epi32(m[OB_FIRST], 1));
    t[1] = _mm512_sub_epi32(m[OB_SUM], m[OB_DIFFERENCE]);
    t[2] = _mm512_sub_epi32(both, _mm512_slli_epi32(m[OB_SECOND], 1));
}

static void finish_w(const ob_window_taps *job) {
    for (int64_t tap = 0; tap < 9; tap++) /* where the next channel n is */
        for (int64_t c = 0; c < job->channels; c += 16) {
            if (job->window) _mm_prefetch(job->window + (tap + 9) * job->out_step + c, _MM_HINT_T0);
            __builtin_prefetch(job->out + (tap + 9) * job->out_step + c, 1);
        }
    for (int64_t c = 0; c < job->channels; c += 16) {
        const __mmask16 live = first_lanes(job->channels - c);
        __m512i columns[3][OB_WINDOW_FACTORS];
        OB_UNROLL
        for (int x = 0; x < OB_WINDOW_FACTORS; x++) {
            __m512i m[OB_WINDOW_FACTORS], t[3];
            OB_UNROLL
            for (int k = 0; k < OB_WINDOW_FACTORS; k++) {
                const int at = k * OB_WINDOW_FACTORS + x;
                const __m512i sum_i32x16 = _mm512_loadu_si512(job->sums + at * job->plane_step + c);
                m[k] = _mm512_sub_epi32(sum_i32x16, _mm512_set1_epi32(job->base[at]));
            }
            taps_of(m, t);
            OB_UNROLL
            for (int down = 0; down < 3; down++) columns[down][x] = t[down];
        }
        OB_UNROLL
        for (int down = 0; down < 3; down++) {
            __m512i t[3];
            taps_of(columns[down], t);
            OB_UNROLL
            for (int side = 0; side < 3; side++) { /* 4 times the sum */
                const int64_t at = (down * 3 + side) * job->out_step + c;
                const __m512 sum_f32x16 = _mm512_cvtepi32_ps(_mm512_srai_epi32(t[side], 2));
                const __m512 g_f32x16 = _mm512_mul_ps(sum_f32x16, _mm512_set1_ps(job->step));
                _mm512_mask_storeu_ps(job->out + at, live,
                                      passed(g_f32x16, job->window ? job->window + at : NULL, live));
            }
        }
    }
}

const ob_window_steps *ob_gradient_windows_avx512bw(void) {
    static const ob_window_steps steps = {.take = take,
                                          .any = ob_windows_any,
                                          .largest = largest,
                                          .plane = plane,
                                          .weights = ob_windows_weights,
                                          .inputs = ob_windows_inputs,
                                          .sums = ob_windows_sums,
                                          .join = join,
                                          .finish_x = finish_x,
                                          .finish_w = finish_w};
    return &steps;
}

OB_TARGET_END
#endif
