/* conv2d_u8_avx512.h: y = factor * (sum of p * w) + base, 64 products per instruction (VNNI vpdpbusd).
 * The kernel of two instruction sets: the includer names it (OB_DOT_KERNEL), its target (OB_TARGET_DOT) and what stands
 * for vpdpbusd (OB_DOT), which without VNNI is three instructions.
 *
 * Lanes are output channels, and the 4 bytes of a lane are 4 neighbouring bytes of a run of the window: 16 channels of
 * the weights, expanded once per call to bytes +-multiplier (or +-1, if it is large), meet 4 bytes of x, broadcast. So
 * nothing is added across lanes, and a short window (27 bytes for 3 colours and 3x3) costs no more than its bytes, each
 * run rounded up to 4: the bytes read past a run meet weights of 0. Cost of 64 MAC: 1 vpdpbusd and its share of the
 * loads (10 for 24). Limit: two vpdpbusd per cycle = 128 MAC/cycle. Bottleneck: that, and for 3 colours the 36 bytes
 * done for 27; of 36 bytes 80 % of it are reached (Zen 5), the rest is the start and the end of a tile. Exact: the true
 * sum fits int32 (conv2d_plan.c), so what wraps on the way does not matter. Groups whose outputs are no multiple of 16
 * take the definition's own loop. */
#include <immintrin.h>

#include "../epilogue/epilogue_avx512.h"
#include "direct.h"

OB_TARGET_BEGIN(OB_TARGET_DOT)

enum {
    ROWS = 6,
    VECTORS = 4,
    LISTED = 256, /* windows that all channels go over at once */
};

/* A window: where it starts, the base of its channel 0, and where its output starts. */
typedef struct place {
    const unsigned char *x;
    const int32_t *base;
    unsigned char *out;
} place;

OB_INLINE int32_t load_i32(const unsigned char *from) {
    int32_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* The outputs of a window. */
OB_INLINE void store(const ob_conv2d_job *job, const ob_finish_avx512 *finish, const place *at, int64_t channel,
                     const __m512i sum_i32x16[VECTORS], const int vectors) {
    const __m512i factor_i32x16 = _mm512_set1_epi32(job->bytes_factor);
    const int bits = job->dense.epilogue.output == OB_OUTPUT_BITS;
    uint64_t minus = 0;
    OB_UNROLL
    for (int v = 0; v < vectors; v++) {
        const __m512i scaled_i32x16 =
            job->bytes_factor == 1 ? sum_i32x16[v] : _mm512_mullo_epi32(sum_i32x16[v], factor_i32x16);
        const __m512i y_i32x16 = _mm512_add_epi32(scaled_i32x16, _mm512_loadu_si512(at->base + channel + 16 * v));
        if (bits)
            minus |= (uint64_t)ob_below_avx512(&finish[v], y_i32x16) << 16 * v;
        else
            ob_store_to_avx512(&job->dense, &finish[v], at->out, channel + 16 * v, y_i32x16);
    }
    if (bits) memcpy(at->out + channel / 8, &minus, 2 * (size_t)vectors); /* inside the row, which is whole words */
}

/* `count` tiles of `rows` windows x 16 * vectors channels of one group. */
OB_INLINE void panel(const ob_conv2d_job *job, const place *at, int64_t count, int64_t channel, const int rows,
                     const int vectors) {
    const int64_t group_bytes = channel / job->group_n * job->group_c, bytes_per_16 = job->step_count * 64;
    ob_finish_avx512 finish[VECTORS];
    OB_UNROLL
    for (int v = 0; v < vectors; v++) finish[v] = ob_finish_load_avx512(&job->dense, channel + 16 * v);
    for (; count > 0; count--, at += rows) {
        const unsigned char *x[ROWS], *w = job->bytes + channel / 16 * bytes_per_16;
        __m512i sum_i32x16[ROWS][VECTORS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            x[r] = at[r].x + group_bytes;
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
        OB_UNROLL
        for (int r = 0; r < rows; r++) store(job, finish, &at[r], channel, sum_i32x16[r], vectors);
    }
}

typedef void panel_function(const ob_conv2d_job *job, const place *at, int64_t count, int64_t channel);
#define OB_PANEL(rows, vectors)                                                                               \
    static __attribute__((noinline)) void panel_##rows##x##vectors(const ob_conv2d_job *job, const place *at, \
                                                                   int64_t count, int64_t channel) {          \
        panel(job, at, count, channel, rows, vectors);                                                        \
    }
OB_PANEL(1, 4)
OB_PANEL(6, 4)
OB_PANEL(1, 1)
OB_PANEL(6, 1)

/* The listed windows x all channels of the part. */
static void multiply(const ob_conv2d_job *job, const ob_dense_part *part, const place *at, int64_t count) {
    const int64_t end = part->channel + part->channels, tiles = count / ROWS, left = count % ROWS;
    for (int64_t channel = part->channel; channel < end;) {
        const int64_t group_end = (channel / job->group_n + 1) * job->group_n;
        const int wide = (group_end < end ? group_end : end) - channel > 16 * (VECTORS - 1);
        (wide ? panel_6x4 : panel_6x1)(job, at, tiles, channel);
        (wide ? panel_1x4 : panel_1x1)(job, at + tiles * ROWS, left, channel);
        channel += wide ? 16 * VECTORS : 16;
    }
}

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    place at[LISTED];
    ob_window window = ob_window_at(job, part->row);
    for (int64_t row = 0; row < part->rows; row += LISTED) {
        const int64_t count = part->rows - row < LISTED ? part->rows - row : LISTED;
        unsigned char *const out = job->dense.out + (part->row + row) * job->dense.out_bytes;
        for (int64_t i = 0; i < count; i++, ob_window_next(job, &window))
            at[i] = (place){window.x, ob_window_base(job, &window), out + i * job->dense.out_bytes};
        multiply(job, part, at, count);
    }
    ob_clear_tail(&job->dense, part);
}

void OB_DOT_KERNEL(const ob_conv2d_job *job, const ob_dense_part *part) {
    (job->plain ? plain : ob_direct)(job, part);
}

OB_TARGET_END
