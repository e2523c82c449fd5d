/* pooled_w.c: the gradient of w in pooled.c. */
#include "../parts.h"
#include "pooled.h"

void ob_pooled_places(const ob_pooled_job *job, int64_t block) {
    const ob_gradient_plan *p = &job->inner.plan;
    const int64_t step = p->place_bytes, bytes = ob_least(OB_BLOCK_CHANNELS, step - block * OB_BLOCK_CHANNELS);
    const unsigned char *from = OB_AT(job, unsigned char, which) + block * OB_BLOCK_CHANNELS;
    unsigned char *to = OB_AT(job, unsigned char, which_of_w) + block * p->quads * 64;
    for (int64_t quad = 0; quad < p->quads; quad++, to += 64, from += 4 * step) {
        unsigned char four[4][OB_BLOCK_CHANNELS] = {{0}};
        for (int64_t i = 0; i < 4 && 4 * quad + i < job->windows; i++) memcpy(four[i], from + i * step, (size_t)bytes);
        uint32_t turned[OB_BLOCK_CHANNELS]; /* the 4 windows of a channel together */
        for (int64_t j = 0; j < OB_BLOCK_CHANNELS; j++)
            turned[j] =
                four[0][j] | (uint32_t)four[1][j] << 8 | (uint32_t)four[2][j] << 16 | (uint32_t)four[3][j] << 24;
        memcpy(to, turned, sizeof turned);
    }
}

/* The words of x at places (down, side) from the upper left corner of the 4 x 4 around a window, from `quad` on. */
static void words_at(const ob_pooled_job *job, int64_t panel, int64_t down, int64_t side, int64_t quad, int64_t quads,
                     const unsigned char **words) {
    const ob_sign_gradients_call *call = job->call;
    int64_t window = 4 * quad, i = window % job->wide, j = window / job->wide % job->tall;
    int64_t picture = window / job->wide / job->tall;
    for (int64_t t = 0; t < 4 * quads; t++, window++) {
        const int64_t y = 2 * j + down - 1, x = 2 * i + side - 1;
        const int inside = y >= 0 && y < call->height && x >= 0 && x < call->width && window < job->windows;
        const int64_t place = ((picture * call->height + y) * call->width + x) * job->inner.plan.panels + panel;
        words[t] = inside ? (const unsigned char *)call->x + place * 8 : NULL;
        if (++i < job->wide) continue;
        i = 0;
        if (++j == job->tall) j = 0, picture++;
    }
}

/* The two places of four that a factor takes, and whether their difference. */
typedef struct pair {
    int64_t first, second;
    int32_t minus;
} pair;
static const pair pairs[OB_WINDOW_FACTORS] = {
    [OB_SECOND] = {1, 3, 1}, [OB_SUM] = {1, 2, 0}, [OB_DIFFERENCE] = {1, 2, 1}, [OB_FIRST] = {0, 2, 1}};

/* Panels of x for one vertical factor, [4][OB_PANEL_QUADS][64][4]. */
static void inputs_of(const ob_pooled_job *job, int64_t panel, int64_t factor, int64_t first, int64_t quads,
                      unsigned char *slot, unsigned char *panels) {
    const signed char fill[3] = {1, -1, (signed char)job->call->pad_value};
    const int64_t most = OB_POOLED_SOME_QUADS * OB_QUAD_BYTES, down[2] = {pairs[factor].first, pairs[factor].second};
    for (int64_t quad = 0; quad < quads; quad += OB_POOLED_SOME_QUADS) {
        const int64_t some = ob_least(OB_POOLED_SOME_QUADS, quads - quad);
        for (int64_t place = 0; place < 8; place++) {
            const unsigned char *words[4 * OB_POOLED_SOME_QUADS];
            words_at(job, panel, down[place / 4], place % 4, first + quad, some, words);
            job->inner.panel(words, some, fill, slot + place * most);
        }
        for (int64_t k = 0; k < OB_WINDOW_FACTORS; k++) {
            const signed char *signs = (const signed char *)slot;
            const int64_t one = pairs[k].first, two = pairs[k].second;
            const signed char *const in[4] = {signs + one * most, signs + two * most, signs + (4 + one) * most,
                                              signs + (4 + two) * most};
            job->steps->inputs(in, some * OB_QUAD_BYTES, pairs[factor].minus, pairs[k].minus,
                               panels + (k * OB_PANEL_QUADS + quad) * OB_QUAD_BYTES);
        }
    }
}

/* The products of a plane with its panel of x: a block of channels n at a time, whose bytes stay in the first cache.
 * The first panel also sums the bytes. */
static void multiply_plane(const ob_pooled_job *job, int64_t panel, int64_t plane, int64_t quad, ob_gradient_w_job w) {
    const ob_gradient_plan *p = &job->inner.plan;
    int32_t *sums = OB_AT(job, int32_t, sums) + panel * job->call->n * OB_POOLED_SUMS + plane * OB_PANEL_CHANNELS;
    _Alignas(64) unsigned char bytes[OB_PANEL_QUADS * 4 * OB_BLOCK_CHANNELS];
    w.blocks = bytes;
    for (int64_t block = 0; block < p->blocks; block++) {
        const int64_t at = (block * p->quads + quad) * 64, first = block * OB_BLOCK_CHANNELS;
        job->steps->plane(job->inner.work + p->bytes_of + at, OB_AT(job, const unsigned char, which_of_w) + at,
                          w.quads * 64, plane, 0, bytes);
        int32_t *sums_w = OB_AT(job, int32_t, sums_w) + (plane * p->blocks + block) * OB_BLOCK_CHANNELS;
        if (panel == 0) job->steps->sums(bytes, w.quads, sums_w);
        w.n = ob_least(OB_BLOCK_CHANNELS, job->call->n - first);
        w.out = (unsigned char *)(sums + first * OB_POOLED_SUMS);
        job->inner.for_w(&w);
    }
}

void ob_pooled_w(const ob_pooled_job *job, int64_t unit, unsigned char *slot) {
    const ob_gradient_plan *p = &job->inner.plan;
    const int64_t panel = unit / OB_WINDOW_FACTORS, factor = unit % OB_WINDOW_FACTORS;
    unsigned char *panels = slot + 8 * OB_POOLED_SOME_QUADS * OB_QUAD_BYTES;
    for (int64_t quad = 0; quad < p->quads; quad += OB_PANEL_QUADS) {
        const int64_t quads = ob_least(OB_PANEL_QUADS, p->quads - quad);
        inputs_of(job, panel, factor, quad, quads, slot, panels);
        for (int64_t k = 0; k < OB_WINDOW_FACTORS; k++) {
            const ob_gradient_w_job w = {.panel = panels + k * OB_PANEL_QUADS * OB_QUAD_BYTES,
                                         .quads = quads,
                                         .short_quads = ob_short_quads(2 * OB_WINDOW_ZERO, 127),
                                         .channels = OB_PANEL_CHANNELS,
                                         .out_step = OB_POOLED_SUMS,
                                         .first = quad == 0};
            multiply_plane(job, panel, factor * OB_WINDOW_FACTORS + k, quad, w);
        }
    }
}

void ob_pooled_taps(const ob_pooled_job *job, int64_t panel, int64_t block) {
    const ob_gradient_plan *p = &job->inner.plan;
    const ob_sign_gradients_call *call = job->call;
    const int64_t c = panel * OB_PANEL_CHANNELS, end = ob_least((block + 1) * OB_BLOCK_CHANNELS, call->n);
    for (int64_t j = block * OB_BLOCK_CHANNELS; j < end; j++) {
        int32_t base[OB_WINDOW_PLANES];
        for (int64_t plane = 0; plane < OB_WINDOW_PLANES; plane++)
            base[plane] = OB_WINDOW_ZERO * OB_AT(job, const int32_t, sums_w)[plane * p->blocks * OB_BLOCK_CHANNELS + j];
        const int64_t at = j * 9 * call->c + c;
        job->steps->finish_w(
            &(ob_window_taps){.sums = OB_AT(job, const int32_t, sums) + (panel * call->n + j) * OB_POOLED_SUMS,
                              .base = base,
                              .plane_step = OB_PANEL_CHANNELS,
                              .channels = ob_least(OB_PANEL_CHANNELS, call->c - c),
                              .out_step = call->c,
                              .step = OB_PART(&job->inner, const float, channel_step)[j],
                              .window = call->w_window ? call->w_window + at : NULL,
                              .out = call->w_gradient + at});
    }
}
