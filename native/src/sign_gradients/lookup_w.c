/* lookup_w.c: w's gradient by lookup.c. */
#include "../parts.h"
#include "../workspace.h"
#include "lookup.h"

enum { AHEAD = 4 }; /* channels n */

/* The order of terms: quad i of a span and position i of its fifth quad are one table. */
static int64_t term_of(int64_t position) {
    const int64_t span = position / OB_LOOKUP_SPAN_POSITIONS, i = position % OB_LOOKUP_SPAN_POSITIONS;
    const int64_t table = i < 16 ? i / 4 : i - 16, term = i < 16 ? i % 4 : 4;
    return span * OB_LOOKUP_SPAN_POSITIONS + table * OB_LOOKUP_TERMS + term;
}

void ob_lookup_words(const ob_lookup_job *l, int64_t picture) {
    const ob_sign_gradients_call *call = l->job.call;
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t row = call->width * l->words_step, left = call->padding[2] * l->words_step;
    const int64_t padded_row = l->wide * l->words_step;
    unsigned char *to = OB_LOOKUP_AT(l, unsigned char, words) + picture * l->tall * padded_row;
    const unsigned char *from = (const unsigned char *)call->x + picture * call->height * row;
    memset(to, 0, (size_t)(l->tall * padded_row));
    for (int64_t y = 0; y < call->height; y++)
        memcpy(to + (y + call->padding[0]) * padded_row + left, from + y * row, (size_t)row);
    int32_t *starts = OB_LOOKUP_AT(l, int32_t, starts);
    int64_t position = picture * p->picture;
    for (int64_t y = 0; y < p->y.window.out; y++)
        for (int64_t x = 0; x < p->x.window.out; x++)
            starts[term_of(position++)] = (int32_t)((picture * l->tall + y) * padded_row + x * l->words_step);
    if (picture == call->batch - 1) /* past the end q is 0, whatever the index */
        for (; position < l->w_parts * OB_LOOKUP_PART_POSITIONS; position++) starts[term_of(position)] = 0;
}

void ob_lookup_outside(const ob_lookup_job *l, int64_t tap) {
    const ob_gradient_plan *p = &l->job.plan;
    const ob_axis *vertical = &p->y.window, *horizontal = &p->x.window;
    const int64_t down = tap / horizontal->kernel * vertical->dilation - vertical->before;
    const int64_t right = tap % horizontal->kernel * horizontal->dilation - horizontal->before;
    int32_t *list = OB_LOOKUP_AT(l, int32_t, outside) + tap * p->picture;
    int64_t count = 0, oy = 0, ox = 0;
    for (int64_t quad = 0; quad < p->picture; quad++) {
        int which = 0;
        for (int i = 0; i < 4; i++) {
            const int64_t y = oy + down, x = ox + right;
            if (y < 0 || y >= l->job.call->height || x < 0 || x >= l->job.call->width) which |= 1 << i;
            if (++ox == horizontal->out) ox = 0, oy = oy + 1 == vertical->out ? 0 : oy + 1;
        }
        if (which) list[count++] = (int32_t)(quad * 16 + which);
    }
    OB_LOOKUP_AT(l, int64_t, counts)[tap] = count;
}

void ob_lookup_left_out(const ob_lookup_job *l, int64_t block) {
    const ob_gradient_plan *p = &l->job.plan;
    const unsigned char *quads = l->job.work + p->bytes_of + block * l->job.bytes_job.block_bytes;
    for (int64_t tap = 0; tap < p->taps; tap++) {
        int32_t sums[OB_BLOCK_CHANNELS] = {0};
        const int32_t *list = OB_LOOKUP_AT(l, const int32_t, outside) + tap * p->picture;
        const int64_t count = OB_LOOKUP_AT(l, const int64_t, counts)[tap];
        for (int64_t cycle = 0; cycle < p->quads && count; cycle += p->picture) {
            int64_t inside = count;
            while (inside && cycle + list[inside - 1] / 16 >= p->quads) inside--;
            l->steps->outside(quads + cycle * 64, list, inside, sums);
        }
        memcpy(OB_LOOKUP_AT(l, int32_t, left_out) + (tap * p->blocks + block) * OB_BLOCK_CHANNELS, sums, sizeof sums);
    }
}

/* Rows of a set, and of one tap's sums. */
static int64_t rows_of(const ob_lookup_job *l, int64_t set) {
    return ob_least(l->set_rows, l->job.call->n - set * l->set_rows);
}

static int64_t unit_sums(const ob_lookup_job *l) {
    return l->job.plan.taps * l->set_rows * OB_LOOKUP_LANES;
}

static void make_tables(const ob_lookup_job *l, int64_t set, int64_t part, int16_t *tables) {
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t quad = part * (OB_LOOKUP_PART_POSITIONS / 4);
    const int64_t quads = ob_least(OB_LOOKUP_PART_POSITIONS / 4, p->quads - quad);
    for (int64_t r = 0; r < rows_of(l, set); r++, tables += OB_LOOKUP_PART_TABLES * OB_LOOKUP_SUMS) {
        const int64_t j = set * l->set_rows + r;
        const unsigned char *of_channel = l->job.work + p->bytes_of +
                                          j / OB_BLOCK_CHANNELS * l->job.bytes_job.block_bytes +
                                          j % OB_BLOCK_CHANNELS * 4;
        l->steps->spans(of_channel + quad * 64, quads, tables);
    }
}

/* Gradients of the next channels n, and their windows, come from memory, some lines here and there. */
static void ask_for(const ob_sign_gradients_call *call, int64_t at, int64_t channels) {
    for (int64_t c = 0; c < channels; c += 16) {
        if (call->w_window) __builtin_prefetch(call->w_window + at + c);
        __builtin_prefetch(call->w_gradient + at + c, 1);
    }
}

/* sums: of the first segment, segments are `step` apart. */
static void finish(const ob_lookup_job *l, int64_t set, int64_t block, int64_t tap, const int32_t *sums, int64_t step) {
    const ob_sign_gradients_call *call = l->job.call;
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t c = block * OB_LOOKUP_LANES, lanes = ob_lookup_lanes(l, block);
    const int32_t *left_out = OB_LOOKUP_AT(l, const int32_t, left_out) + tap * p->blocks * OB_BLOCK_CHANNELS;
    ob_lookup_row row = {.parts = l->segments, .part_step = step, .factor = -2};
    row.channels = ob_least(OB_LOOKUP_LANES, call->c - c);
    for (int64_t r = 0; r < rows_of(l, set); r++) {
        const int64_t j = set * l->set_rows + r, at = (j * p->taps + tap) * call->c + c;
        const uint32_t all = 0 - OB_PART(&l->job, const uint32_t, base_w)[j]; /* the sum of all q */
        row.base = (int32_t)(all - (uint32_t)left_out[j] * (uint32_t)(1 - call->pad_value));
        row.sums = sums + r * lanes, row.step = OB_PART(&l->job, const float, channel_step)[j];
        row.out = call->w_gradient + at, row.window = call->w_window ? call->w_window + at : NULL;
        if (r + AHEAD < rows_of(l, set)) ask_for(call, at + AHEAD * p->taps * call->c, row.channels);
        l->steps->finish(&row);
    }
}

void ob_lookup_w(const ob_lookup_job *l, int64_t unit, unsigned char *slot) {
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t segment = unit % l->segments, block = unit / l->segments % l->blocks;
    const int64_t set = unit / l->segments / l->blocks, lanes = ob_lookup_lanes(l, block);
    int16_t *tables = (int16_t *)(void *)slot;
    uint16_t *indices = (uint16_t *)(void *)(tables + l->set_rows * OB_LOOKUP_PART_TABLES * OB_LOOKUP_SUMS);
    int64_t *rows = (int64_t *)(void *)(indices + OB_LOOKUP_PART_TABLES * OB_LOOKUP_LANES);
    int32_t *sums = (int32_t *)(void *)(rows + ob_round_up(l->set_rows, 8));
    if (l->segments > 1)
        sums = OB_LOOKUP_AT(l, int32_t, sums) + ((segment * l->sets + set) * l->blocks + block) * unit_sums(l);
    for (int64_t r = 0; r < l->set_rows; r++) rows[r] = r * OB_LOOKUP_PART_TABLES;
    const int64_t first = segment * l->w_parts / l->segments, end = (segment + 1) * l->w_parts / l->segments;
    for (int64_t part = first; part < end; part++) {
        const int64_t left = ob_parts(p->positions - part * OB_LOOKUP_PART_POSITIONS, OB_LOOKUP_SPAN_POSITIONS) * 4;
        ob_lookup_sums job = {.tables = tables,
                              .rows = rows,
                              .tap_at = OB_LOOKUP_AT(l, const int64_t, zero),
                              .count = rows_of(l, set),
                              .taps = 1,
                              .groups = ob_least(OB_LOOKUP_PART_TABLES, left),
                              .indices = indices,
                              .lanes = lanes,
                              .first = part == first};
        make_tables(l, set, part, tables);
        for (int64_t tap = 0; tap < p->taps; tap++) {
            const int64_t i = tap / p->x.window.kernel * p->y.window.dilation;
            const int64_t j = tap % p->x.window.kernel * p->x.window.dilation;
            const unsigned char *words = OB_LOOKUP_AT(l, const unsigned char, words) + block * (OB_LOOKUP_LANES / 8) +
                                         (i * l->wide + j) * l->words_step;
            l->steps->indices(words, OB_LOOKUP_AT(l, const int32_t, starts) + part * OB_LOOKUP_PART_POSITIONS,
                              job.groups, lanes, indices);
            job.sums = sums + tap * l->set_rows * lanes;
            l->steps->add(&job);
        }
    }
    for (int64_t tap = 0; tap < p->taps && l->segments == 1; tap++)
        finish(l, set, block, tap, sums + tap * l->set_rows * lanes, 0);
}

void ob_lookup_join(const ob_lookup_job *l, int64_t index) {
    const int64_t tap = index % l->job.plan.taps, unit = index / l->job.plan.taps;
    const int64_t set = unit / l->blocks, block = unit % l->blocks;
    const int32_t *sums =
        OB_LOOKUP_AT(l, const int32_t, sums) + unit * unit_sums(l) + tap * l->set_rows * ob_lookup_lanes(l, block);
    finish(l, set, block, tap, sums, l->sets * l->blocks * unit_sums(l));
}
