/* lookup_x.c: x's gradient by lookup.c. */
#include "../parts.h"
#include "../workspace.h"
#include "lookup.h"

enum { FINISHED_ROWS = 3 * OB_LOOKUP_ROWS };

/* The first index of a part of a block. */
static uint16_t *indices_of(const ob_lookup_job *l, int64_t block, int64_t part) {
    const int64_t taps = l->job.plan.taps;
    return OB_LOOKUP_AT(l, uint16_t, w_indices) + taps * l->parts * l->part_groups * OB_LOOKUP_LANES * block +
           taps * part * l->part_groups * ob_lookup_lanes(l, block);
}

void ob_lookup_w_indices(const ob_lookup_job *l, int64_t index) {
    const ob_sign_gradients_call *call = l->job.call;
    const int64_t block = index / l->parts, part = index % l->parts, taps = l->job.plan.taps;
    const int64_t first = part * l->part_groups, groups = ob_least(l->part_groups, l->groups - first);
    const int64_t lanes = ob_lookup_lanes(l, block);
    const unsigned char *words = (const unsigned char *)call->w + block * (OB_LOOKUP_LANES / 8);
    uint16_t *to = indices_of(l, block, part);
    int32_t starts[OB_LOOKUP_MOST * OB_LOOKUP_TERMS];
    for (int64_t t = 0; t < taps; t++, to += groups * lanes) {
        for (int64_t i = 0; i < groups * OB_LOOKUP_TERMS; i++) { /* past the end q is 0, whatever the index */
            const int64_t j = ob_least(first * OB_LOOKUP_TERMS + i, call->n - 1);
            starts[i] = (int32_t)((j * taps + t) * l->words_step);
        }
        l->steps->indices(words, starts, groups, lanes, to);
    }
}

/* A strip at work: its output places, and the memory of its slot. */
typedef struct strip {
    int64_t picture, pictures, y, rows, count, padded_rows;
    int16_t *tables;
    int32_t *sums; /* [blocks][count][lanes] */
    int64_t *at, *pixels;
    float *steps;
} strip;

static strip strip_of(const ob_lookup_job *l, int64_t index, unsigned char *slot) {
    const ob_sign_gradients_call *call = l->job.call;
    strip s = {.picture = index / l->strips_down * l->strip_pictures, .y = index % l->strips_down * l->strip_rows};
    s.pictures = ob_least(l->strip_pictures, call->batch - s.picture);
    s.rows = ob_least(l->strip_rows, call->height - s.y);
    s.count = s.pictures * s.rows * call->width;
    s.padded_rows = (s.pictures - 1) * l->job.plan.y.padded + s.rows + l->job.plan.y.padded - call->height;
    s.tables = (int16_t *)(void *)slot;
    s.sums = (int32_t *)(void *)(s.tables + l->strip_places * l->part_groups * OB_LOOKUP_SUMS);
    s.at = (int64_t *)(void *)(s.sums + l->strip_count * ob_round_up(call->c, 32));
    s.pixels = s.at + l->strip_count;
    s.steps = (float *)(void *)(s.pixels + l->strip_count);
    return s;
}

static void find_places(const ob_lookup_job *l, const strip *s) {
    const ob_sign_gradients_call *call = l->job.call;
    int64_t i = 0;
    for (int64_t b = 0; b < s->pictures; b++)
        for (int64_t y = 0; y < s->rows; y++)
            for (int64_t x = 0; x < call->width; x++, i++) {
                s->at[i] = ((b * l->job.plan.y.padded + y) * l->job.plan.x.padded + x) * l->part_groups;
                s->pixels[i] = (((s->picture + b) * call->height + s->y + y) * call->width + x) * call->c;
                s->steps[i] = OB_PART(&l->job, const float, picture_step)[s->picture + b];
            }
}

/* Tables of a part at the strip's places that are inside of the gradient; those around it are zeros already. */
static void make_tables(const ob_lookup_job *l, const strip *s, int64_t part) {
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t first = part * l->part_groups * OB_LOOKUP_TERMS, step = l->part_groups * OB_LOOKUP_SUMS;
    const int64_t terms = ob_least(l->part_groups * OB_LOOKUP_TERMS, l->job.call->n - first);
    const unsigned char *pictures = l->job.work + p->pictures + s->picture * p->picture_bytes + first;
    for (int64_t row = 0; row < s->padded_rows; row++) {
        const int64_t y = (s->y + row) % p->y.padded - p->y.before;
        if (y < 0 || y >= p->y.window.out) continue;
        l->steps->neighbours(pictures + (s->y + row) * p->row_bytes + p->x.before * p->place_bytes, p->place_bytes,
                             p->x.window.out, terms, s->tables + (row * p->x.padded + p->x.before) * step, step);
    }
}

/* Gradients and their windows come from memory while the sums before them are looked up. */
static void ask_for(const ob_lookup_job *l, const strip *s, int64_t c, int64_t from, int64_t end) {
    const ob_sign_gradients_call *call = l->job.call;
    const int64_t channels = ob_least(OB_LOOKUP_LANES, call->c - c);
    for (int64_t i = from; i < end; i++)
        for (int64_t at = s->pixels[i] + c; at < s->pixels[i] + c + channels; at += 16) {
            if (call->x_window) __builtin_prefetch(call->x_window + at);
            __builtin_prefetch(call->x_gradient + at, 1);
        }
}

static void finish(const ob_lookup_job *l, const strip *s, int64_t block, const int32_t *sums, int64_t i, int64_t end) {
    const ob_sign_gradients_call *call = l->job.call;
    const int64_t c = block * OB_LOOKUP_LANES, lanes = ob_lookup_lanes(l, block);
    ob_lookup_row row = {.parts = 1, .channels = ob_least(OB_LOOKUP_LANES, call->c - c), .factor = 1};
    for (; i < end; i++) {
        row.sums = sums + i * lanes, row.step = s->steps[i], row.out = call->x_gradient + s->pixels[i] + c;
        row.window = call->x_window ? call->x_window + s->pixels[i] + c : NULL;
        l->steps->finish(&row);
    }
}

/* The last part, some rows at a time. */
static void add_and_finish(const ob_lookup_job *l, const strip *s, int64_t block, ob_lookup_sums job) {
    const int64_t count = job.count;
    int32_t *const sums = job.sums;
    for (int64_t i = 0; i < count; i += FINISHED_ROWS) {
        job.rows = s->at + i, job.sums = sums + i * job.lanes, job.count = ob_least(FINISHED_ROWS, count - i);
        ask_for(l, s, block * OB_LOOKUP_LANES, i, i + job.count);
        l->steps->add(&job);
        finish(l, s, block, sums, i, i + job.count);
    }
}

void ob_lookup_x(const ob_lookup_job *l, int64_t unit, unsigned char *slot) {
    const int64_t first = unit % l->splits, end = l->splits > 1 ? first + 1 : l->blocks;
    const strip s = strip_of(l, unit / l->splits, slot);
    find_places(l, &s);
    memset(s.tables, 0, (size_t)(s.padded_rows * l->job.plan.x.padded * l->part_groups * OB_LOOKUP_SUMS) * 2);
    for (int64_t part = 0; part < l->parts; part++) {
        make_tables(l, &s, part);
        for (int64_t block = first; block < end; block++) {
            const ob_lookup_sums sums = {.tables = s.tables,
                                         .rows = s.at,
                                         .tap_at = OB_LOOKUP_AT(l, const int64_t, tap_at),
                                         .count = s.count,
                                         .taps = l->job.plan.taps,
                                         .groups = ob_least(l->part_groups, l->groups - part * l->part_groups),
                                         .indices = indices_of(l, block, part),
                                         .lanes = ob_lookup_lanes(l, block),
                                         .sums = s.sums + block * OB_LOOKUP_LANES * s.count,
                                         .first = part == 0};
            if (part == l->parts - 1)
                add_and_finish(l, &s, block, sums);
            else
                l->steps->add(&sums);
        }
    }
}
