/* bytes.c: the upstream gradient as bytes, and w as panels of bytes: stages 1 and 2 of sign_gradients.c. */
#include "../parts.h"
#include "../threads.h"
#include "call.h"

/* ---- 1: maxima ---- */
static void maxima_task(void *data, int64_t index) {
    const ob_gradients_job *s = data;
    const ob_gradient_plan *p = &s->plan;
    const int64_t first = index * p->pictures_per_task, end = ob_least(first + p->pictures_per_task, s->call->batch);
    int32_t *of_channel = OB_PART(s, int32_t, largest_of) + index * p->blocks * OB_BLOCK_CHANNELS;
    memset(of_channel, 0, (size_t)(p->blocks * OB_BLOCK_CHANNELS) * 4);
    for (int64_t picture = first; picture < end; picture++) {
        int32_t *largest = OB_PART(s, int32_t, largest) + picture;
        *largest = 0;
        s->maxima(s->call->upstream + picture * p->picture * s->call->n, p->picture, s->call->n, largest, of_channel);
        if (s->call->x_gradient && p->y.padded * p->x.padded > p->picture)
            memset(s->work + p->pictures + picture * p->picture_bytes, 128, (size_t)p->picture_bytes);
    }
}

/* step = max / 127 and its inverse; 0 in place of an inverse that is not a number or could be none. */
static void step_of(int32_t largest, float *step, float *inverse) {
    float max;
    memcpy(&max, &largest, sizeof max);
    *step = max / 127.0f;
    *inverse = max >= 1e-30f && largest < 0x7f800000 ? 127.0f / max : 0.0f;
}

static void take_maxima(const ob_gradients_job *s) {
    const ob_gradient_plan *p = &s->plan;
    const int64_t channels = p->blocks * OB_BLOCK_CHANNELS;
    int32_t *of_channel = OB_PART(s, int32_t, largest_of);
    for (int64_t i = 0; i < s->call->batch; i++)
        step_of(OB_PART(s, int32_t, largest)[i], OB_PART(s, float, picture_step) + i,
                OB_PART(s, float, by_picture) + i);
    for (int64_t j = 0; j < channels; j++) {
        for (int64_t task = 1; task < p->maxima_tasks; task++)
            if (of_channel[task * channels + j] > of_channel[j]) of_channel[j] = of_channel[task * channels + j];
        step_of(of_channel[j], OB_PART(s, float, channel_step) + j, OB_PART(s, float, by_channel) + j);
    }
}

/* ---- 2: bytes ---- */
static void w_panel(const ob_gradients_job *s, int64_t panel, int64_t place) {
    static const signed char fill[3] = {1, -1, 0};
    const ob_gradient_plan *p = &s->plan;
    const unsigned char *words[4 * OB_PANEL_QUADS];
    const int64_t tap = OB_PART(s, const int64_t, tap)[place];
    unsigned char *to = s->work + p->w_panels + (panel * p->taps + place) * p->n_quads * OB_QUAD_BYTES;
    for (int64_t quad = 0; quad < p->n_quads; quad += OB_PANEL_QUADS) {
        const int64_t quads = ob_least(OB_PANEL_QUADS, p->n_quads - quad);
        for (int64_t i = 0; i < 4 * quads; i++) {
            const int64_t j = 4 * quad + i;
            words[i] = j < s->call->n
                           ? (const unsigned char *)s->call->w + ((j * p->taps + tap) * p->panels + panel) * 8
                           : NULL;
        }
        s->panel(words, quads, fill, to + quad * OB_QUAD_BYTES);
    }
}

static void bytes_task(void *data, int64_t index) {
    const ob_gradients_job *s = data;
    const ob_gradient_plan *p = &s->plan;
    if (index < p->bytes_tasks) {
        const int64_t quad = index * p->quads_per_task, channels = p->blocks * OB_BLOCK_CHANNELS;
        int32_t *sums = OB_PART(s, int32_t, sums) + index * channels;
        memset(sums, 0, (size_t)channels * 4);
        s->bytes(&s->bytes_job, quad, ob_least(p->quads_per_task, p->quads - quad), sums);
        return;
    }
    index -= p->bytes_tasks;
    const int64_t used = OB_PART(s, const int64_t, taps_of)[p->phases]; /* a tap may reach padding only */
    if (index % p->taps < used) w_panel(s, index / p->taps, index % p->taps);
}

static void make_bytes(ob_gradients_job *s, int w_panels) {
    const ob_gradient_plan *p = &s->plan;
    const ob_sign_gradients_call *call = s->call;
    const int64_t channels = p->blocks * OB_BLOCK_CHANNELS;
    unsigned char *inside = s->work + p->pictures + p->y.before * p->row_bytes + p->x.before * p->place_bytes;
    s->bytes_job = (ob_gradient_bytes_job){.g = call->upstream,
                                           .n = call->n,
                                           .positions = p->positions,
                                           .picture_positions = p->picture,
                                           .width = p->x.window.out,
                                           .by_picture = OB_PART(s, const float, by_picture),
                                           .by_channel = OB_PART(s, const float, by_channel),
                                           .pictures = call->x_gradient ? inside : NULL,
                                           .picture_bytes = p->picture_bytes,
                                           .row_bytes = p->row_bytes,
                                           .place_bytes = p->place_bytes,
                                           .blocks = call->w_gradient ? s->work + p->bytes_of : NULL,
                                           .block_bytes = p->quads * 4 * OB_BLOCK_CHANNELS,
                                           .stochastic = call->stochastic,
                                           .seed = call->seed};
    ob_run(call->executor, p->bytes_tasks + (w_panels ? p->panels * p->taps : 0), bytes_task, s);
    int32_t *base = OB_PART(s, int32_t, base_w);
    for (int64_t j = 0; j < channels; j++) {
        uint32_t sum = 0; /* unsigned: where the maximum is NaN the bytes are anything, and their sums may wrap */
        for (int64_t task = 0; task < p->bytes_tasks; task++)
            sum += OB_PART(s, const uint32_t, sums)[task * channels + j];
        base[j] = (int32_t)(0 - sum);
    }
}

void ob_gradients_make_bytes(ob_gradients_job *s, int w_panels) {
    ob_run(s->call->executor, s->plan.maxima_tasks, maxima_task, s);
    take_maxima(s);
    make_bytes(s, w_panels);
}
