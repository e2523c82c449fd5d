/* conv2d_avx512vpopcnt.c: y = base - 2 * popcount(x ^ w), 512 bits at a time.
 *
 * A window is a row of a product whose words are not neighbours, but stand at the same distances from its start as
 * those of every window. Cost and limit are those of avx512vpopcnt/product.c: 3 vector operations for 512 MAC.
 *
 * Where padding counts as 0 and the job says so, padded taps are left out: windows are sorted by the taps that they
 * have inside the picture (nine classes for 3x3, padding 1), and those of one class are multiplied as rows of one
 * product. So no bases are needed, nor zeros around the picture, and a picture of 7x7 takes 361 of 441 taps.
 *
 * The dense kernel's form of two words at once would save a sixth, but needs windows and weights written as running
 * exclusive ors: about 1 cycle per word, where it saves 0.4 per 32 channels.
 *
 * Groups that are not whole words, or whose outputs are no multiple of 16, go line by line: each lane has its own word
 * of the window (one broadcast if all lanes share it, else a gather) and a mask. 5 operations for 8 lanes, most of
 * whose bits a mask may discard: a depthwise convolution does 8 MAC in a step. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../avx512vpopcnt/product.h"
#include "../epilogue/epilogue_avx2.h"
#include "../parts.h"
#include "lanes.h"
#include "window.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)

enum {
    LISTED = 256, /* windows that are multiplied at once */
    LANE_ROWS = 4,
};

/* ---- plain ---- */

/* The words of taps [y[0], y[1]) x [x[0], x[1]), of the group that starts group_bytes behind a pixel's start. */
static ob_product_words words_of(const ob_conv2d_job *job, int64_t group_bytes, const int32_t y[2],
                                 const int32_t x[2]) {
    const int64_t down = y[1] - y[0], across = x[1] - x[0], slots = job->slots;
    const int together = job->tap_x == 8 * slots; /* neighbouring taps have neighbouring words */
    const int64_t words = !down ? 0 : together ? across * slots : across ? slots : 0, runs = together ? 1 : across;
    const int64_t x_row = (runs - 1) * job->tap_x + 8 * words, w_row = (runs - 1) * 64 * slots + 64 * words;
    return (ob_product_words){
        .x_at = group_bytes + y[0] * job->tap_y + x[0] * job->tap_x,
        .w_at = (y[0] * job->taps_x + x[0]) * slots * 64,
        .words = words,
        .runs = {down, runs},
        .x_gap = {job->tap_x - 8 * slots, job->tap_y - x_row},
        .w_gap = {0, job->taps_x * slots * 64 - w_row},
    };
}

/* The windows of one class: output places [y->places) x [x->places), taps [y->taps) x [x->taps). */
typedef struct class_windows {
    const ob_class *y, *x;
    int64_t count;
    ob_product_row rows[LISTED];
} class_windows;

/* Multiplies those listed with all channels of the part. */
static void multiply(const ob_conv2d_job *job, const ob_dense_part *part, class_windows *c) {
    const int32_t *const y = c->y->taps, *const x = c->x->taps;
    const int64_t part_end = part->channel + part->channels, k = (int64_t)(y[1] - y[0]) * (x[1] - x[0]) * job->group_c;
    for (int64_t channel = part->channel; channel < part_end && c->count;) {
        const int64_t group = channel / job->group_n, group_end = (group + 1) * job->group_n;
        const int64_t end = group_end < part_end ? group_end : part_end;
        const ob_product_words words = words_of(job, group * job->group_c / 8, y, x);
        ob_product_avx512vpopcnt(&job->dense, c->rows, c->count, &words, k, channel, end);
        channel = end;
    }
    c->count = 0;
}

/* Columns [ox, end) of output line `line`, which is line oy of the picture at `image`. */
static void list_windows(const ob_conv2d_job *job, const ob_dense_part *part, class_windows *c,
                         const unsigned char *image, int64_t line, int64_t oy, int64_t ox, int64_t end) {
    const unsigned char *x = image + oy * job->stride_y + ox * job->stride_x;
    unsigned char *out = job->dense.out + (line * job->out_width + ox) * job->dense.out_bytes;
    for (; ox < end; ox++, x += job->stride_x, out += job->dense.out_bytes) {
        const int32_t *base = NULL;
        if (!job->leaves_out) base = job->base + (job->class_y[oy] + job->class_x[ox]) * job->base_step;
        if (c->count == LISTED) multiply(job, part, c);
        c->rows[c->count++] = (ob_product_row){x, base, out};
    }
}

/* The part's windows of one class. */
static void multiply_class(const ob_conv2d_job *job, const ob_dense_part *part, const ob_class *y, const ob_class *x) {
    const int64_t width = job->out_width, height = job->out_height, pixels = width * height;
    const int64_t part_end = part->row + part->rows;
    const unsigned char *image = job->dense.x + part->row / pixels * job->image_bytes;
    class_windows c; /* its rows are not cleared: there are many classes */
    c.y = y, c.x = x, c.count = 0;
    for (int64_t b = part->row / pixels; b * pixels < part_end; b++, image += job->image_bytes) {
        const int64_t first = part->row - b * pixels, past = part_end - b * pixels; /* pixels of this picture */
        const int64_t top = ob_most(y->places[0], first > 0 ? first / width : 0);
        const int64_t bottom = ob_least(y->places[1], past < pixels ? ob_parts(past, width) : height);
        for (int64_t oy = top; oy < bottom; oy++)
            list_windows(job, part, &c, image, b * height + oy, oy, ob_most(x->places[0], first - oy * width),
                         ob_least(x->places[1], past - oy * width));
    }
    multiply(job, part, &c);
}

static void plain(const ob_conv2d_job *job, const ob_dense_part *part) {
    const ob_class y = {{0, (int32_t)job->taps_y}, {0, job->out_height}},
                   x = {{0, (int32_t)job->taps_x}, {0, job->out_width}};
    if (!job->leaves_out) multiply_class(job, part, &y, &x);
    for (int64_t a = 0; job->leaves_out && a < job->classes_y; a++)
        for (int64_t b = 0; b < job->classes_x; b++) multiply_class(job, part, &job->inside_y[a], &job->inside_x[b]);
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
