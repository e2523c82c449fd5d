/* conv2d_prepare.c: the tables and the padded picture of a convolution, shared out by 64 channels and by rows. */
#include "conv2d_prepare.h"
#include "parts.h"
#include "threads.h"

enum {
    COPY_BYTES = 1 << 16,         /* of the padded picture, per task */
    PREPARE_ALONE_BYTES = 1 << 17 /* below this, preparing costs less than waking a thread */
};

/* ---- the base: what padding and offset add to a sum ---- */

/* For one axis: the class of each output place, and the classes. */
static int64_t find_classes(const ob_axis *axis, int32_t times, int32_t *class_of, ob_class *classes) {
    int64_t count = 0;
    for (int64_t place = 0; place < axis->out; place++) {
        int32_t now[2];
        ob_axis_taps(axis, axis->classes > 1 ? place : 0, now);
        if (!count || memcmp(now, classes[count - 1].taps, sizeof now))
            classes[count++] = (ob_class){{now[0], now[1]}, {place, place}};
        classes[count - 1].places[1] = place + 1;
        class_of[place] = (int32_t)(count - 1) * times;
    }
    return count;
}

/* sums (taps_y, taps_x, 8): of each tap's weights, of 8 channels. Afterwards of all taps up to it, in both axes. */
static void add_up(uint32_t (*sums)[8], int64_t taps_y, int64_t taps_x) {
    static const uint32_t zeros[8];
    for (int64_t i = 0; i < taps_y; i++)
        for (int64_t j = 0; j < taps_x; j++, sums++) {
            const uint32_t *left = j ? sums[-1] : zeros, *above = i ? sums[-taps_x] : zeros;
            const uint32_t *both = i && j ? sums[-taps_x - 1] : zeros;
            uint32_t now[8];
            for (int c = 0; c < 8; c++) now[c] = sums[0][c] + left[c] + above[c] - both[c];
            memcpy(sums[0], now, sizeof now);
        }
}

/* The bases of 8 channels. */
static void fill_base(const ob_preparation *s, int64_t channel) {
    static const uint32_t zeros[8];
    const ob_conv2d_plan *p = &s->plan;
    uint32_t (*sums)[8] = (uint32_t (*)[8])(void *)(s->work + p->sums) + channel / 8 * p->taps;
    const ob_class *in_y = s->job.inside_y, *in_x = s->job.inside_x;
    uint32_t *base = (uint32_t *)(void *)(s->work + p->base) + channel;
    if (p->counted) add_up(sums, p->y.kernel, p->x.kernel);
    const uint32_t outside = p->outside, of_all = p->all + outside;
    const uint32_t *all = p->counted ? sums[p->taps - 1] : zeros;
    for (int64_t a = 0; a < p->y.classes; a++)
        for (int64_t b = 0; b < p->x.classes; b++, base += p->base_step) {
            const uint32_t *corner[4]; /* the sum over the taps inside is corner 3 - 2 - 1 + 0 */
            for (int i = 0; i < 4; i++) {
                const int64_t y = in_y[a].taps[i / 2], x = in_x[b].taps[i % 2];
                corner[i] = p->counted && y && x ? sums[(y - 1) * p->x.kernel + x - 1] : zeros;
            }
            const uint32_t down = (uint32_t)(in_y[a].taps[1] - in_y[a].taps[0]);
            const uint32_t across = (uint32_t)(in_x[b].taps[1] - in_x[b].taps[0]);
            const uint32_t nothing = p->leaves_out ? down * across * (uint32_t)s->job.group_c : p->nothing;
            uint32_t now[8]; /* of its own: a compiler that must think that base is a sum takes one at a time */
            for (int c = 0; c < 8; c++) {
                const uint32_t inside = corner[3][c] - corner[2][c] - corner[1][c] + corner[0][c];
                now[c] = nothing + of_all * all[c] - outside * inside;
            }
            memcpy(base, now, sizeof now);
        }
}

/* The sum of the weights of each tap of 64 channels: a dense product whose x is one row of zero bits, that is of +1.
 * The lines of a handle are those of a dense one with `slots` words whose 8 * taps rows are one line's. */
static void count_weights(const ob_preparation *s, int64_t channel, int64_t channels) {
    const ob_conv2d_plan *p = &s->plan;
    const int64_t rows = ob_round_up(s->job.dense.n, 8) * p->taps;
    const ob_dense_job job = {.n = rows,
                              .k = s->job.group_c,
                              .words = p->slots,
                              .x = s->work + p->zeros,
                              .weights = s->job.dense.weights,
                              .out = s->work + p->sums,
                              .x_bytes = p->slots * 8,
                              .out_bytes = rows * 4,
                              .epilogue = {.output = OB_OUTPUT_INT32}};
    const ob_dense_part part = {0, 1, channel * p->taps, ob_round_up(channels, 8) * p->taps};
    s->dense(&job, &part);
}

/* ---- bytes: the weights as +unit and -unit ---- */

/* `count` bits, from bit `bit` of a channel's words (64 bytes apart) on, become bytes `at` onwards of a run, of which 4
 * stand in each 64. */
static void expand_bits(const unsigned char *w, uint64_t bit, uint64_t count, int32_t unit, int8_t *run, uint64_t at) {
    uint64_t word = ob_load_u64(w) >> bit;
    for (; count > 0; count--, at++) {
        run[at / 4 * 64 + at % 4] = (int8_t)(unit - 2 * unit * (int32_t)(word & 1)); /* no branch: bits are random */
        word >>= 1;
        if (++bit % 64 == 0 && count > 1) word = ob_load_u64(w += 64);
    }
}

/* Channel `channel` of a line of 16. */
static void expand_channel(const ob_preparation *s, int64_t channel, int8_t *to) {
    const ob_conv2d_job *job = &s->job;
    const ob_conv2d_plan *p = &s->plan;
    const uint64_t bit = (uint64_t)(channel / job->group_n * job->group_c) % 64, c = (uint64_t)job->group_c;
    const unsigned char *w = ob_group(&job->dense, channel) + 8 * (channel % 8);
    for (int64_t i = 0; i < job->taps_y; i++)
        for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
            if (p->runs_x > 1) /* one run per tap */
                expand_bits(w, bit, c, p->unit, to + (i * p->runs_x + j) * p->run_steps * 64, 0);
            else /* one for a whole row of taps */
                expand_bits(w, bit, c, p->unit, to + i * p->run_steps * 64, (uint64_t)j * c);
        }
}

static void expand(const ob_preparation *s, int64_t channel, int64_t channels) {
    const int64_t line_bytes = s->plan.steps * 64;
    int8_t *to = (int8_t *)(s->work + s->plan.bytes) + channel / 16 * line_bytes;
    memset(to, 0, (size_t)(ob_parts(channels, 16) * line_bytes));
    for (int64_t c = 0; c < channels; c++) expand_channel(s, channel + c, to + c / 16 * line_bytes + c % 16 * 4);
}

/* Where the steps of a window start. */
static void place_steps(const ob_preparation *s) {
    const ob_conv2d_plan *p = &s->plan;
    int64_t *place = (int64_t *)(void *)(s->work + p->places);
    for (int64_t i = 0; i < s->job.taps_y; i++)
        for (int64_t j = 0; j < p->runs_x; j++)
            for (int64_t step = 0; step < p->run_steps; step++)
                *place++ = i * s->job.tap_y + j * s->job.tap_x + step * (p->u8 ? 4 : 8);
}

/* ---- the padded picture ---- */

static void copy_rows(const ob_preparation *s, int64_t first, int64_t rows) {
    const ob_conv2d_plan *p = &s->plan;
    const int64_t height = p->y.before + p->y.size + p->y.after, from_bytes = p->x.size * p->pixel_bytes;
    const int64_t left = p->x.before * p->pixel_bytes, right = p->x.after * p->pixel_bytes;
    unsigned char *to = s->picture + first * (left + from_bytes + right);
    for (int64_t row = first; row < first + rows; row++, to += left + from_bytes + right) {
        const int64_t y = row % height - p->y.before;
        if (y < 0 || y >= p->y.size) {
            memset(to, 0, (size_t)(left + from_bytes + right));
            continue;
        }
        memset(to, 0, (size_t)left);
        const unsigned char *from = s->x + (row / height * p->y.size + y) * from_bytes;
        memcpy(to + left, from, (size_t)from_bytes);
        for (int64_t i = 0; s->is_signed && i < from_bytes; i++) to[left + i] = from[i] ^ 0x80;
        memset(to + left + from_bytes, 0, (size_t)right);
    }
}

void ob_conv2d_table_task(void *data, int64_t index) {
    const ob_preparation *s = data;
    const ob_conv2d_plan *p = &s->plan;
    const int64_t channel = index * 64, channels = ob_least(64, s->job.dense.n - channel);
    if (p->counted) count_weights(s, channel, channels);
    for (int64_t c = 0; c < channels; c += 8) fill_base(s, channel + c);
    if (p->u8 && p->plain) expand(s, channel, channels);
}

static int64_t all_rows(const ob_preparation *s) {
    return s->batch * (s->plan.y.before + s->plan.y.size + s->plan.y.after);
}

void ob_conv2d_copy_task(void *data, int64_t index) {
    const ob_preparation *s = data;
    const int64_t first = index * s->copy_rows;
    copy_rows(s, first, ob_least(s->copy_rows, all_rows(s) - first));
}

static void prepare_task(void *data, int64_t index) {
    const ob_preparation *s = data;
    if (index < s->table_tasks)
        ob_conv2d_table_task(data, index);
    else
        ob_conv2d_copy_task(data, index - s->table_tasks);
}

void ob_conv2d_share_out(ob_preparation *s, ob_grain grain) {
    s->table_tasks = s->plan.leaves_out && !s->plan.based ? 0 : ob_parts(s->job.dense.n, 64);
    s->copy_tasks = 0;
    if (!s->plan.padded) return;
    s->copy_rows = ob_most(COPY_BYTES / grain / (s->plan.picture_bytes / all_rows(s)), 1);
    s->copy_tasks = ob_parts(all_rows(s), s->copy_rows);
}

/* What stands in place of a tap outside of the picture: +1 or -1 in every channel. */
static void write_outside(const ob_preparation *s) {
    unsigned char *const to = s->work + s->plan.outside_words;
    const int64_t tail = s->job.group_c % 64;
    const uint64_t last = ((uint64_t)1 << tail) - 1;
    memset(to, (int32_t)s->plan.outside < 0 ? 0xff : 0, (size_t)s->plan.slots * 8);
    if (tail && (int32_t)s->plan.outside < 0) memcpy(to + 8 * (s->plan.slots - 1), &last, sizeof last);
}

void ob_conv2d_small_tables(ob_preparation *s) {
    ob_conv2d_plan *p = &s->plan;
    ob_class *inside_y = (void *)(s->work + p->inside_y), *inside_x = (void *)(s->work + p->inside_x);
    p->x.classes = find_classes(&p->x, 1, (void *)(s->work + p->class_x), inside_x);
    p->y.classes = find_classes(&p->y, (int32_t)p->x.classes, (void *)(s->work + p->class_y), inside_y);
    s->job.classes_y = p->y.classes, s->job.classes_x = p->x.classes;
    if (p->plain && !p->leaves_out) place_steps(s);
    if (p->counted) memset(s->work + p->zeros, 0, (size_t)p->slots * 8);
    if (p->worded) write_outside(s);
}

void ob_conv2d_prepare(ob_preparation *s, const ob_executor *executor) {
    const ob_conv2d_plan *p = &s->plan;
    ob_conv2d_small_tables(s);
    const int64_t weight_bytes = s->job.dense.n * s->job.dense.words * 8, tasks = s->table_tasks + s->copy_tasks;
    const int64_t bytes = (p->counted ? weight_bytes : 0) + (p->u8 ? 32 * weight_bytes : 0) + p->picture_bytes;
    if (bytes < PREPARE_ALONE_BYTES)
        for (int64_t i = 0; i < tasks; i++) prepare_task(s, i);
    else
        ob_run(executor, tasks, prepare_task, s);
}
