/* conv2d_avx512vpopcnt.c: y = base - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * The tiles are those of dense_avx512vpopcnt.c: lanes are output channels, a line of the weights meets one word of each
 * of 6 windows. The words of a window are not neighbours, but those of every window stand at the same distances from
 * its start: a tile keeps 6 addresses and loads the next distance. The epilogue adds a base per window and channel in
 * place of k. Cost of 512 MAC: vpxorq + vpopcntq + vpaddq = 3 vector operations. Limit:  Intel, two 512-bit ports,
 * popcount on one of them: 341 MAC/cycle. Zen 5, four 512-bit pipes, popcount on two of them: 683 MAC/cycle.
 * Bottleneck: those three operations; in short windows (c = 64) also the epilogue, some 10 operations for 16 sums.
 * The dense kernel's form of two words at once would save a sixth, but needs windows written as running exclusive ors:
 * about 1 cycle per word, where it saves 0.4 per 32 channels. Parts of one picture have 64 channels or few more.
 *
 * Groups that are not whole words, or whose outputs are no multiple of 16, go line by line: each lane has its own word
 * of the window (one broadcast if all lanes share it, else a gather) and a mask. 5 operations for 8 lanes, most of
 * whose bits a mask may discard: a depthwise convolution does 8 MAC in a step. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"
#include "../epilogue/epilogue_avx512.h"
#include "lanes.h"
#include "window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum { ROWS = 6, LINES = 4, LANE_ROWS = 4 };

/* ---- plain ---- */

/* One word of a tile: every window's word against every line. */
OB_INLINE void step(__m512i differ_u64x8[ROWS][LINES], const unsigned char *const x[ROWS], int64_t x_at,
                    const unsigned char *const w[LINES], int64_t w_at, const int rows, const int lines) {
    __m512i w_u64x8[LINES];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w_u64x8[g] = _mm512_loadu_si512(w[g] + w_at);
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + x_at));
        OB_UNROLL
        for (int g = 0; g < lines; g++) {
            const __m512i d_u64x8 = _mm512_popcnt_epi64(_mm512_xor_si512(x_u64x8, w_u64x8[g]));
            differ_u64x8[r][g] = _mm512_add_epi64(differ_u64x8[r][g], d_u64x8);
            OB_IN_ORDER(differ_u64x8[r][g]);
        }
    }
}

/* `count` tiles of rows x 8 * lines channels below each other, from `window` on, which moves along; lines is even. A
 * line past n repeats the last one and is not stored. */
OB_INLINE void panel(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t count, int64_t channel,
                     const int rows, const int lines) {
    const __m512i low_i32x16 = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const ob_dense_job *dense = &job->dense;
    const int64_t group_bytes = channel / job->group_n * job->group_c / 8; /* whole words, or there is one group */
    const unsigned char *w[LINES];
    ob_finish_avx512 finish[LINES / 2];
    OB_UNROLL
    for (int g = 0; g < lines; g++) w[g] = ob_group(dense, channel + 8 * g < dense->n ? channel + 8 * g : dense->n - 1);
    OB_UNROLL
    for (int g = 0; g < lines; g += 2) finish[g / 2] = ob_finish_load_avx512(dense, channel + 8 * g);
    for (; count > 0; count--, row += rows) {
        __m512i differ_u64x8[ROWS][LINES];
        const unsigned char *x[ROWS];
        const int32_t *base[ROWS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            x[r] = window->x + group_bytes;
            base[r] = ob_window_base(job, window) + channel;
            ob_window_next(job, window);
            OB_UNROLL
            for (int g = 0; g < lines; g++) differ_u64x8[r][g] = _mm512_setzero_si512();
        }
        OB_NO_UNROLL
        for (int64_t i = 0; i < job->step_count; i++) step(differ_u64x8, x, job->steps[i], w, 64 * i, rows, lines);
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int g = 0; g < lines; g += 2) {
                const __m512i a_u64x8 = differ_u64x8[r][g], b_u64x8 = differ_u64x8[r][g + 1];
                const __m512i sum_i32x16 = _mm512_permutex2var_epi32(a_u64x8, low_i32x16, b_u64x8);
                const __m512i base_i32x16 = _mm512_loadu_si512(base[r] + 8 * g);
                const __m512i y_i32x16 = _mm512_sub_epi32(base_i32x16, _mm512_slli_epi32(sum_i32x16, 1));
                ob_store_avx512(dense, &finish[g / 2], row + r, channel + 8 * g, y_i32x16);
            }
        }
    }
}

/* One function per tile, or the compiler would mix their registers. */
typedef void panel_function(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t count, int64_t channel);
#define OB_PANEL(rows, lines)                                                                                   \
    static __attribute__((noinline)) void panel_##rows##x##lines(const ob_conv2d_job *job, ob_window *window,   \
                                                                 int64_t row, int64_t count, int64_t channel) { \
        panel(job, window, row, count, channel, rows, lines);                                                   \
    }
OB_PANEL(1, 4)
OB_PANEL(2, 4)
OB_PANEL(3, 4)
OB_PANEL(4, 4)
OB_PANEL(5, 4)
OB_PANEL(6, 4)
OB_PANEL(1, 2)
OB_PANEL(2, 2)
OB_PANEL(3, 2)
OB_PANEL(4, 2)
OB_PANEL(5, 2)
OB_PANEL(6, 2)

static panel_function *const wide[ROWS + 1] = {0, panel_1x4, panel_2x4, panel_3x4, panel_4x4, panel_5x4, panel_6x4};
static panel_function *const narrow[ROWS + 1] = {0, panel_1x2, panel_2x2, panel_3x2, panel_4x2, panel_5x2, panel_6x2};

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->channel + part->channels, tiles = (part->rows + ROWS - 1) / ROWS;
    const int64_t height = part->rows / tiles, higher = part->rows % tiles; /* tiles of height + 1, then of height */
    for (int64_t channel = part->channel; channel < end;) {
        const int64_t group_end = (channel / job->group_n + 1) * job->group_n;
        const int64_t left = (group_end < end ? group_end : end) - channel;
        panel_function *const *const table = left > 8 * LINES / 2 ? wide : narrow;
        ob_window window = ob_window_at(job, part->row);
        if (higher) table[height + 1](job, &window, part->row, higher, channel);
        table[height](job, &window, part->row + higher * (height + 1), tiles - higher, channel);
        channel += left < 8 * LINES ? left : 8 * LINES;
    }
}

/* ---- lane by lane ---- */

/* One slot of 8 channels: in which word of a pixel each lane has it, and which of its bits count. */
typedef struct lanes {
    __m512i at_i64x8, mask_u64x8;
    int64_t shared; /* the word's place if all lanes share it, else -1 */
} lanes;

OB_INLINE lanes lanes_load(const ob_conv2d_job *job, int64_t channel, int64_t slot) {
    int64_t at[8];
    uint64_t mask[8];
    lanes l = {.shared = 0};
    for (int c = 0; c < 8; c++) {
        const ob_lane lane = ob_lane_of(job, channel + c);
        at[c] = ob_lane_bytes(job, &lane, slot), mask[c] = ob_lane_mask(&lane, slot);
        if (at[c] != at[0]) l.shared = -1;
    }
    if (!l.shared) l.shared = at[0];
    l.at_i64x8 = _mm512_loadu_si512(at), l.mask_u64x8 = _mm512_loadu_si512(mask);
    return l;
}

/* The places of one slot in which `rows` windows differ from a line's channels. */
OB_INLINE void count(const ob_conv2d_job *job, const unsigned char *const x[LANE_ROWS], const unsigned char *w,
                     const lanes *l, __m512i differ_u64x8[LANE_ROWS], const int rows, const int shared) {
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
            const int64_t tap = i * job->tap_y + j * job->tap_x;
            const __m512i w_u64x8 = _mm512_loadu_si512(w);
            OB_UNROLL
            for (int r = 0; r < rows; r++) {
                const __m512i x_u64x8 = shared ? _mm512_set1_epi64((int64_t)ob_load_u64(x[r] + tap + l->shared))
                                               : _mm512_i64gather_epi64(l->at_i64x8, (const void *)(x[r] + tap), 1);
                const __m512i masked_u64x8 =
                    _mm512_ternarylogic_epi64(x_u64x8, w_u64x8, l->mask_u64x8, 0x28); /* (a ^ b) & c */
                differ_u64x8[r] = _mm512_add_epi64(differ_u64x8[r], _mm512_popcnt_epi64(masked_u64x8));
            }
        }
}

/* `rows` windows x 8 channels, whose first slot is `first`; `window` moves along. */
OB_INLINE void lane_tile(const ob_conv2d_job *job, ob_window *window, int64_t row, int64_t channel,
                         const ob_finish_avx2 *finish, const lanes *first, const int rows) {
    const unsigned char *line = ob_group(&job->dense, channel), *x[LANE_ROWS];
    const int32_t *base[LANE_ROWS];
    __m512i differ_u64x8[LANE_ROWS];
    OB_UNROLL
    for (int r = 0; r < rows; r++, ob_window_next(job, window)) {
        x[r] = window->x, base[r] = ob_window_base(job, window) + channel;
        differ_u64x8[r] = _mm512_setzero_si512();
    }
    for (int64_t slot = 0; slot < job->slots; slot++, line += 64) {
        const lanes l = slot ? lanes_load(job, channel, slot) : *first;
        if (l.shared >= 0)
            count(job, x, line, &l, differ_u64x8, rows, 1);
        else
            count(job, x, line, &l, differ_u64x8, rows, 0);
    }
    OB_UNROLL
    for (int r = 0; r < rows; r++) {
        const __m256i twice_i32x8 = _mm256_slli_epi32(_mm512_cvtepi64_epi32(differ_u64x8[r]), 1);
        const __m256i base_i32x8 = _mm256_loadu_si256((const void *)base[r]);
        ob_store_avx2(&job->dense, finish, row + r, channel, _mm256_sub_epi32(base_i32x8, twice_i32x8));
    }
}

static void lane_by_lane(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->row + part->rows;
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(&job->dense, channel);
        const lanes first = lanes_load(job, channel, 0);
        ob_window window = ob_window_at(job, part->row);
        int64_t row = part->row;
        for (; row + LANE_ROWS <= end; row += LANE_ROWS)
            lane_tile(job, &window, row, channel, &finish, &first, LANE_ROWS);
        for (; row < end; row++) lane_tile(job, &window, row, channel, &finish, &first, 1);
    }
}

void ob_conv2d_avx512vpopcnt(const ob_conv2d_job *job, const ob_dense_part *part) {
    (job->plain ? plain : lane_by_lane)(job, part);
    ob_clear_tail(&job->dense, part);
}

OB_TARGET_END

#endif
