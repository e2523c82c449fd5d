/* conv2d_u8_avx512.h: y = factor * (sum of p * w) + base, 64 products per instruction (VNNI vpdpbusd).
 * The kernel of two instruction sets: the includer names it (OB_DOT_KERNEL), its target (OB_TARGET_DOT) and what stands
 * for vpdpbusd (OB_DOT), which without VNNI is three instructions.
 *
 * Lanes are output channels, and the 4 bytes of a lane are 4 neighbouring bytes of a run of the window: 16 channels of
 * the weights, expanded once per call to bytes +-multiplier (or +-1, if it is large), meet 4 bytes of x, broadcast. So
 * nothing is added across lanes, and a short window (27 bytes for 3 colours and 3x3) costs no more than its bytes, each
 * run rounded up to 4: the bytes read past a run meet weights of 0. Cost of 64 MAC: 1 vpdpbusd and its share of the
 * loads (10 for 24). Limit: two vpdpbusd per cycle = 128 MAC/cycle. Bottleneck: that, and for 3 colours the 36 bytes
 * done for 27. Exact: the true sum fits int32 (conv2d_plan.c), so what wraps on the way does not matter. Groups whose
 * outputs are no multiple of 16 take the definition's own loop. */
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"
#include "direct.h"

OB_TARGET_BEGIN(OB_TARGET_DOT)

enum { ROWS = 6, VECTORS = 4 };

OB_INLINE int32_t load_i32(const unsigned char *from) {
    int32_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* `rows` windows x 16 * vectors channels of one group. */
OB_INLINE void tile(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel, const int rows,
                    const int vectors) {
    const int64_t group_bytes = channel / job->group_n * job->group_c, bytes_per_16 = job->step_count * 64;
    const unsigned char *x[ROWS], *w = job->bytes + channel / 16 * bytes_per_16;
    const int32_t *base[ROWS];
    __m512i sum_i32x16[ROWS][VECTORS];
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        x[r] = window->x + group_bytes;
        base[r] = ob_window_base(job, window) + channel;
        ob_window_next(job, window);
        OB_UNROLL
        for (int v = 0; v < vectors; v++) sum_i32x16[r][v] = _mm512_setzero_si512();
    }
    OB_NO_UNROLL
    for (int64_t i = 0; i < job->step_count; i++, w += 64) {
        const int64_t x_at = job->steps[i];
        __m512i w_i8x64[VECTORS];
        OB_UNROLL
        for (int v = 0; v < vectors; v++) w_i8x64[v] = _mm512_loadu_si512(w + v * bytes_per_16);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512i x_u8x64 = _mm512_set1_epi32(load_i32(x[r] + x_at));
            OB_UNROLL
            for (int v = 0; v < vectors; v++) {
                sum_i32x16[r][v] = OB_DOT(sum_i32x16[r][v], x_u8x64, w_i8x64[v]);
                OB_IN_ORDER(sum_i32x16[r][v]);
            }
        }
    }
    const __m512i factor_i32x16 = _mm512_set1_epi32(job->bytes_factor);
    OB_UNROLL
    for (int v = 0; v < vectors; v++) {
        const ob_finish_avx512 finish = ob_finish_load_avx512(&job->dense, channel + 16 * v);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512i sum = sum_i32x16[r][v];
            const __m512i scaled_i32x16 = job->bytes_factor == 1 ? sum : _mm512_mullo_epi32(sum, factor_i32x16);
            const __m512i base_i32x16 = _mm512_loadu_si512(base[r] + 16 * v);
            ob_store_avx512(&job->dense, &finish, row + r, channel + 16 * v,
                            _mm512_add_epi32(scaled_i32x16, base_i32x16));
        }
    }
}

typedef void tile_function(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel);
#define OB_TILE(rows, vectors)                                                                                 \
    static __attribute__((noinline)) void tile_##rows##x##vectors(const ob_conv2d_job *job, ob_window *window, \
                                                                  int64_t row, int64_t channel) {              \
        tile(job, window, row, channel, rows, vectors);                                                        \
    }
OB_TILE(1, 4)
OB_TILE(6, 4)
OB_TILE(1, 1)
OB_TILE(6, 1)

/* 16 * vectors channels x all windows of the part. */
OB_INLINE void panel(const ob_conv2d_job *job, const ob_dense_part *part, int64_t channel, tile_function *six,
                     tile_function *one) {
    ob_window window = ob_window_at(job, part->row);
    int64_t row = part->row, end = part->row + part->rows;
    for (; row + ROWS <= end; row += ROWS) six(job, &window, row, channel);
    for (; row < end; row++) one(job, &window, row, channel);
}

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->channel + part->channels;
    for (int64_t channel = part->channel; channel < end;) {
        const int64_t group_end = (channel / job->group_n + 1) * job->group_n;
        if ((group_end < end ? group_end : end) - channel > 16 * (VECTORS - 1)) {
            panel(job, part, channel, tile_6x4, tile_1x4);
            channel += 16 * VECTORS;
        } else {
            panel(job, part, channel, tile_6x1, tile_1x1);
            channel += 16;
        }
    }
    ob_clear_tail(&job->dense, part);
}

void OB_DOT_KERNEL(const ob_conv2d_job *job, const ob_dense_part *part) {
    (job->plain ? plain : ob_direct)(job, part);
}

OB_TARGET_END
