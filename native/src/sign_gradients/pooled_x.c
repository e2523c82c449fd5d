/* pooled_x.c: the gradient of x in pooled.c. */
#include "../parts.h"
#include "pooled.h"

enum { AHEAD = 4 }; /* pixels */

/* ---- w as 16 planes of bytes ---- */
static unsigned char *plane_of(const ob_pooled_job *job, int64_t panel, int64_t plane) {
    const int64_t bytes = job->inner.plan.n_quads * OB_QUAD_BYTES;
    return OB_AT(job, unsigned char, planes) + (panel * OB_WINDOW_PLANES + plane) * bytes;
}

/* 16 planes of a panel of w, a few quads of channels n at a time. */
static void planes_of_panel(const ob_pooled_job *job, int64_t panel) {
    enum { QUADS = 4, BYTES = QUADS * OB_QUAD_BYTES };
    static const signed char fill[3] = {1, -1, 0};
    const ob_gradient_plan *p = &job->inner.plan;
    signed char tap[3][BYTES], column[OB_WINDOW_FACTORS][3][BYTES];
    for (int64_t quad = 0; quad < p->n_quads; quad += QUADS) {
        const int64_t quads = ob_least(QUADS, p->n_quads - quad), bytes = quads * OB_QUAD_BYTES;
        for (int64_t down = 0; down < 3; down++) {
            for (int64_t side = 0; side < 3; side++) {
                const unsigned char *words[4 * QUADS];
                for (int64_t i = 0; i < 4 * quads; i++) {
                    const int64_t j = 4 * quad + i, at = (j * 9 + down * 3 + side) * p->panels + panel;
                    words[i] = j < job->call->n ? (const unsigned char *)job->call->w + at * 8 : NULL;
                }
                job->inner.panel(words, quads, fill, (unsigned char *)tap[side]);
            }
            for (int64_t k = 0; k < OB_WINDOW_FACTORS; k++)
                job->steps->weights(tap[0], tap[1], tap[2], bytes, k, column[k][down]);
        }
        for (int64_t plane = 0; plane < OB_WINDOW_PLANES; plane++) {
            signed char (*taps)[BYTES] = column[plane % OB_WINDOW_FACTORS];
            job->steps->weights(taps[0], taps[1], taps[2], bytes, plane / OB_WINDOW_FACTORS,
                                (signed char *)plane_of(job, panel, plane) + quad * OB_QUAD_BYTES);
        }
    }
}

static ob_gradient_x_job x_job(const ob_pooled_job *job, int64_t panel, int64_t plane) {
    static const int64_t origin = 0;
    static const int64_t most[OB_WINDOW_FACTORS] = {[OB_SECOND] = 2, [OB_SUM] = 3, [OB_DIFFERENCE] = 3, [OB_FIRST] = 2};
    return (ob_gradient_x_job){
        .panel = plane_of(job, panel, plane),
        .taps = 1,
        .quads = job->inner.plan.n_quads,
        .short_quads = ob_short_quads(255, most[plane / OB_WINDOW_FACTORS] * most[plane % OB_WINDOW_FACTORS]),
        .channels = OB_PANEL_CHANNELS,
        .tap_bytes = &origin};
}

static void bases_of_panel(const ob_pooled_job *job, int64_t panel) {
    const int64_t origin = 0;
    const int32_t nothing[OB_PANEL_CHANNELS] = {0};
    const float one = 1.0f;
    float sums[OB_PANEL_CHANNELS];
    for (int64_t plane = 0; plane < OB_WINDOW_PLANES; plane++) {
        int32_t *base = OB_AT(job, int32_t, base_x) + (panel * OB_WINDOW_PLANES + plane) * OB_PANEL_CHANNELS;
        ob_gradient_x_job zeros = x_job(job, panel, plane);
        zeros.pictures = job->inner.work + job->inner.plan.zeros, zeros.places = &origin, zeros.pixels = &origin;
        zeros.base = nothing, zeros.steps = &one, zeros.out = sums;
        job->inner.for_x(&zeros, 1);
        for (int c = 0; c < OB_PANEL_CHANNELS; c++) base[c] = -(int32_t)sums[c];
    }
}

void ob_pooled_weights(const ob_pooled_job *job, int64_t panel) {
    planes_of_panel(job, panel);
    bases_of_panel(job, panel);
}

/* ---- a strip of windows at 64 channels ---- */
typedef struct strip {
    const ob_pooled_job *job;
    int64_t panel, picture, pictures, row, end; /* rows of x's windows */
    unsigned char *bytes;
    float *sums, *joined, *nothing;
    int64_t *places, *pixels;
    float *ones;
} strip;

/* The rows of windows whose products with a vertical factor the strip takes. */
static void rows_of(const strip *s, int64_t factor, int64_t *from, int64_t *to) {
    *from = ob_most(0, s->row - (factor == OB_SECOND));
    *to = ob_least(s->job->tall, s->end + (factor == OB_FIRST));
}

static void strip_products(const strip *s) {
    const ob_pooled_job *job = s->job;
    const ob_gradient_plan *p = &job->inner.plan;
    for (int64_t plane = 0; plane < OB_WINDOW_PLANES; plane++) {
        int64_t from, to, rows = 0;
        rows_of(s, plane / OB_WINDOW_FACTORS, &from, &to);
        if (to <= from) continue;
        const int64_t count = (to - from) * job->wide;
        for (int64_t picture = s->picture; picture < s->picture + s->pictures; picture++, rows += count) {
            const int64_t at = ((picture * job->tall + from) * job->wide) * p->place_bytes;
            job->steps->plane(job->inner.work + p->pictures + at, OB_AT(job, unsigned char, which) + at,
                              count * p->place_bytes, plane, 128, s->bytes + rows * p->place_bytes);
        }
        ob_gradient_x_job x = x_job(job, s->panel, plane);
        x.pictures = s->bytes, x.places = s->places, x.pixels = s->pixels, x.steps = s->ones;
        x.base = OB_AT(job, int32_t, base_x) + (s->panel * OB_WINDOW_PLANES + plane) * OB_PANEL_CHANNELS;
        x.out = s->sums + plane * job->slot_rows * OB_PANEL_CHANNELS;
        job->inner.for_x(&x, rows);
    }
}

/* The sums of a row of windows with a plane; zeros outside. */
static const float *sums_of(const strip *s, int64_t picture, int64_t row, int64_t plane) {
    int64_t from, to;
    rows_of(s, plane / OB_WINDOW_FACTORS, &from, &to);
    if (row < from || row >= to) return s->nothing;
    const int64_t at = (picture * (to - from) + row - from) * s->job->wide;
    return s->sums + (plane * s->job->slot_rows + at) * OB_PANEL_CHANNELS;
}

/* What finish_x will read and write some pixels later comes from memory. */
static void ask_for(const ob_sign_gradients_call *call, int64_t at) {
    for (int64_t c = 0; c < OB_PANEL_CHANNELS; c += 16) {
        if (call->x_window) __builtin_prefetch(call->x_window + at + c);
        __builtin_prefetch(call->x_gradient + at + c, 1);
    }
}

static void strip_row(const strip *s, int64_t picture, int64_t row, int64_t odd) {
    const ob_pooled_job *job = s->job;
    const ob_sign_gradients_call *call = job->call;
    const int64_t wide = job->wide, channels = OB_PANEL_CHANNELS, y = 2 * row + odd, c = s->panel * channels;
    const float sign = odd ? -1.0f : 1.0f;
    if (y >= call->height) return;
    for (int64_t k = 0; k < OB_WINDOW_FACTORS; k++) {
        const int64_t turned = (odd ? OB_FIRST : OB_SECOND) * OB_WINDOW_FACTORS + k;
        const float *const in[4] = {sums_of(s, picture, odd ? row + 1 : row - 1, turned),
                                    sums_of(s, picture, row, turned),
                                    sums_of(s, picture, row, OB_SUM * OB_WINDOW_FACTORS + k),
                                    sums_of(s, picture, row, OB_DIFFERENCE * OB_WINDOW_FACTORS + k)};
        job->steps->join(in, wide * channels, sign, s->joined + k * wide * channels);
    }
#define OB_JOINED(k, i) ((i) < 0 || (i) >= wide ? s->nothing : s->joined + ((k) * wide + (i)) * channels)
    const float step = OB_PART(&job->inner, const float, picture_step)[s->picture + picture];
    for (int64_t x = 0; x < call->width; x++) {
        const int64_t i = x / 2, turned = x % 2 ? OB_FIRST : OB_SECOND;
        const float *const in[4] = {OB_JOINED(turned, x % 2 ? i + 1 : i - 1), OB_JOINED(turned, i),
                                    OB_JOINED(OB_SUM, i), OB_JOINED(OB_DIFFERENCE, i)};
        const int64_t at = (((s->picture + picture) * call->height + y) * call->width + x) * call->c + c;
        if (x + AHEAD < call->width) ask_for(call, at + AHEAD * call->c);
        job->steps->finish_x(in, ob_least(channels, call->c - c), x % 2 ? -1.0f : 1.0f, step,
                             call->x_window ? call->x_window + at : NULL, call->x_gradient + at);
    }
#undef OB_JOINED
}

void ob_pooled_x(const ob_pooled_job *job, int64_t index, unsigned char *slot) {
    const int64_t rows = job->slot_rows, at = index % job->strips, channels = OB_PANEL_CHANNELS;
    strip s = {.job = job,
               .panel = index / job->strips,
               .picture = at / job->strips_down * job->strip_pictures,
               .row = at % job->strips_down * job->strip_rows};
    s.pictures = ob_least(job->strip_pictures, job->call->batch - s.picture);
    s.end = ob_least(s.row + job->strip_rows, job->out_tall);
    s.sums = (float *)(void *)slot, slot += OB_WINDOW_PLANES * rows * channels * 4;
    s.joined = (float *)(void *)slot, slot += OB_WINDOW_FACTORS * job->wide * channels * 4;
    s.nothing = (float *)(void *)slot, slot += job->wide * channels * 4;
    s.places = (int64_t *)(void *)slot, slot += rows * 8;
    s.pixels = (int64_t *)(void *)slot, slot += rows * 8;
    s.ones = (float *)(void *)slot, slot += rows * 4;
    s.bytes = slot;
    memset(s.nothing, 0, (size_t)(job->wide * channels) * 4);
    for (int64_t r = 0; r < rows; r++)
        s.places[r] = r * job->inner.plan.place_bytes, s.pixels[r] = r * channels, s.ones[r] = 1.0f;
    strip_products(&s);
    for (int64_t picture = 0; picture < s.pictures; picture++)
        for (int64_t row = s.row; row < s.end; row++)
            for (int64_t odd = 0; odd < 2; odd++) strip_row(&s, picture, row, odd);
}
