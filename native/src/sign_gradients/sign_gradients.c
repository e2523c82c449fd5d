/* sign_gradients.c: ob_sign_gradients. Both gradients of a product of signs are sums of upstream gradients with signs:
 *   for x   sum over taps and channels n of q * w        for w   sum over positions of q * x
 * Upstream gradients become bytes q, and a sum of bytes times signs is what processors have instructions for (vpdpbusd:
 * unsigned times signed bytes). The step from bytes back to floats must be one for all terms of a sum: a picture's for
 * x, a channel's for w. So the way is
 *   1  the largest |g| of each picture and channel
 *   2  bytes for x: q + 128 in pictures with zeros around them, so that every window is inside; bytes for w: q, four
 *      positions of a channel together; panels of w as bytes -1 and +1
 *   3  what zeros (bytes 128) would sum to, which is the base to subtract
 *   4  the products. x is turned into panels of x + 1 (0 and 2, padding 1 + pad_value) where it is needed, 32 KB at a
 *      time, and its base is the sum of q
 * Two other ways lead to the same numbers: fewer products, for gradients from behind a max pool (pooled.c), and sums
 * that are looked up, where the processor is quick at that (lookup.c).
 * The sums are whole numbers: neither the threads nor the instruction set can be seen in the result. */
#include "../dispatch.h"
#include "../parts.h"
#include "../threads.h"
#include "../workspace.h"
#include "lookup.h"
#include "pooled.h"

enum { TASK_ROWS = 256 }; /* places of x's gradient */

/* ---- 3 and 4: products ---- */
static ob_gradient_x_job x_job(const ob_gradients_job *s, int64_t phase, int64_t panel) {
    const ob_gradient_plan *p = &s->plan;
    const int64_t *taps_of = OB_PART(s, const int64_t, taps_of) + phase;
    const int64_t c = panel * OB_PANEL_CHANNELS;
    return (ob_gradient_x_job){
        .panel = s->work + p->w_panels + (panel * p->taps + taps_of[0]) * p->n_quads * OB_QUAD_BYTES,
        .pictures = s->work + p->pictures,
        .taps = taps_of[1] - taps_of[0],
        .quads = p->n_quads,
        .short_quads = ob_short_quads(255, 1),
        .channels = ob_least(OB_PANEL_CHANNELS, s->call->c - c),
        .tap_bytes = OB_PART(s, const int64_t, tap_bytes) + taps_of[0],
        .base = OB_PART(s, const int32_t, base_x) + phase * p->panels * OB_PANEL_CHANNELS + c,
        .window = s->call->x_window ? s->call->x_window + c : NULL,
        .out = s->call->x_gradient + c,
    };
}

/* What zeros sum to: 128 * the sum of w, one tap after the other; as floats exact, multiples of 128 below 2^31. */
static void base_task(void *data, int64_t index) {
    const ob_gradients_job *s = data;
    const int64_t origin = 0, phase = index / s->plan.panels;
    const int32_t nothing[OB_PANEL_CHANNELS] = {0};
    const float one = 1.0f;
    float sums[OB_PANEL_CHANNELS];
    ob_gradient_x_job job = x_job(s, phase, index % s->plan.panels);
    int32_t *base = OB_PART(s, int32_t, base_x) + index * OB_PANEL_CHANNELS;
    const int64_t taps = job.taps;
    memset(base, 0, OB_PANEL_CHANNELS * 4);
    job.pictures = s->work + s->plan.zeros, job.places = &origin, job.pixels = &origin, job.steps = &one;
    job.base = nothing, job.window = NULL, job.out = sums;
    job.channels = OB_PANEL_CHANNELS, job.tap_bytes = &origin, job.taps = 1;
    for (int64_t tap = 0; tap < taps; tap++, job.panel += s->plan.n_quads * OB_QUAD_BYTES) {
        s->for_x(&job, 1);
        for (int c = 0; c < OB_PANEL_CHANNELS; c++) base[c] -= (int32_t)sums[c];
    }
}

static void x_task(const ob_gradients_job *s, int64_t index) {
    const ob_gradient_plan *p = &s->plan;
    const int64_t phase = index / s->x_blocks / p->panels, panel = index / s->x_blocks % p->panels;
    const int64_t top = phase / p->x.phases, left = phase % p->x.phases;
    const int64_t tall = ob_parts(s->call->height - top, p->y.window.stride);
    const int64_t wide = ob_parts(s->call->width - left, p->x.window.stride);
    const int64_t first = index % s->x_blocks * TASK_ROWS;
    const int64_t rows = ob_least(TASK_ROWS, s->call->batch * tall * wide - first);
    int64_t places[TASK_ROWS], pixels[TASK_ROWS];
    float steps[TASK_ROWS];
    if (rows <= 0) return;
    for (int64_t r = 0; r < rows; r++) {
        const int64_t picture = (first + r) / (tall * wide), inside = (first + r) % (tall * wide);
        const int64_t down = inside / wide, right = inside % wide;
        const int64_t y = top + down * p->y.window.stride, x = left + right * p->x.window.stride;
        places[r] = picture * p->picture_bytes + down * p->row_bytes + right * p->place_bytes;
        pixels[r] = ((picture * s->call->height + y) * s->call->width + x) * s->call->c;
        steps[r] = OB_PART(s, const float, picture_step)[picture];
    }
    ob_gradient_x_job job = x_job(s, phase, panel);
    job.places = places, job.pixels = pixels, job.steps = steps;
    s->for_x(&job, rows);
}

/* The words of x that 4 * quads positions meet under a tap; NULL outside of the picture and past the end. */
static void words_under(const ob_gradients_job *s, int64_t panel, int64_t tap, int64_t quad, int64_t quads,
                        const unsigned char **words) {
    const ob_gradient_plan *p = &s->plan;
    const ob_axis *vertical = &p->y.window, *horizontal = &p->x.window;
    const int64_t down = tap / horizontal->kernel * vertical->dilation - vertical->before;
    const int64_t right = tap % horizontal->kernel * horizontal->dilation - horizontal->before;
    const int64_t height = s->call->height, width = s->call->width;
    int64_t picture = 4 * quad / p->picture, oy = 4 * quad % p->picture / horizontal->out;
    int64_t ox = 4 * quad % horizontal->out;
    for (int64_t i = 0; i < 4 * quads; i++) {
        const int64_t y = oy * vertical->stride + down, x = ox * horizontal->stride + right;
        const int inside = y >= 0 && y < height && x >= 0 && x < width && 4 * quad + i < p->positions;
        const int64_t place = ((picture * height + y) * width + x) * p->panels + panel;
        words[i] = inside ? (const unsigned char *)s->call->x + place * 8 : NULL;
        if (++ox < horizontal->out) continue;
        ox = 0;
        if (++oy == vertical->out) oy = 0, picture++;
    }
}

static void w_task(const ob_gradients_job *s, int64_t index) {
    const ob_gradient_plan *p = &s->plan;
    const signed char fill[3] = {2, 0, (signed char)(1 + s->call->pad_value)};
    const int64_t panel = index % p->panels, tap = index / p->panels;
    const int64_t at = tap * s->call->c + panel * OB_PANEL_CHANNELS;
    const unsigned char *words[4 * OB_PANEL_QUADS];
    _Alignas(64) unsigned char bytes[OB_PANEL_QUADS * OB_QUAD_BYTES];
    ob_gradient_w_job job = {.panel = bytes,
                             .short_quads = ob_short_quads(2, 127),
                             .block_bytes = s->bytes_job.block_bytes,
                             .n = s->call->n,
                             .channels = ob_least(OB_PANEL_CHANNELS, s->call->c - panel * OB_PANEL_CHANNELS),
                             .out_step = p->taps * s->call->c,
                             .base = OB_PART(s, const int32_t, base_w),
                             .steps = OB_PART(s, const float, channel_step),
                             .window = s->call->w_window ? s->call->w_window + at : NULL,
                             .out = (unsigned char *)(s->call->w_gradient + at)};
    for (int64_t quad = 0; quad < p->quads; quad += OB_PANEL_QUADS) {
        job.quads = ob_least(OB_PANEL_QUADS, p->quads - quad);
        job.blocks = s->work + p->bytes_of + quad * 4 * OB_BLOCK_CHANNELS;
        job.first = quad == 0, job.last = quad + job.quads == p->quads;
        words_under(s, panel, tap, quad, job.quads, words);
        s->panel(words, job.quads, fill, bytes);
        s->for_w(&job);
    }
}

static void product_task(void *data, int64_t index) {
    const ob_gradients_job *s = data;
    if (index < s->w_tasks)
        w_task(s, index);
    else
        x_task(s, index - s->w_tasks);
}

static void multiply(ob_gradients_job *s) {
    const ob_gradient_plan *p = &s->plan;
    const ob_sign_gradients_call *call = s->call;
    const int64_t tall = ob_parts(call->height, p->y.window.stride), wide = ob_parts(call->width, p->x.window.stride);
    s->w_tasks = call->w_gradient ? p->taps * p->panels : 0;
    s->x_blocks = ob_parts(call->batch * tall * wide, TASK_ROWS);
    if (call->x_gradient) {
        memset(s->work + p->zeros, 128, (size_t)p->place_bytes);
        ob_run(call->executor, p->phases * p->panels, base_task, s);
    }
    ob_run(call->executor, s->w_tasks + (call->x_gradient ? p->phases * p->panels * s->x_blocks : 0), product_task, s);
}

/* ---- the call ---- */
static ob_status resolve(ob_gradients_job *s) {
    ob_choice choice;
    ob_status status;
#define OB_TAKE(field, op)                                                  \
    if ((status = ob_resolve(OB_OP_##op, NULL, 1, &choice))) return status; \
    s->field = (ob_##op##_kernel *)choice.kernel;
    OB_TAKE(maxima, gradient_maxima)
    OB_TAKE(bytes, gradient_bytes)
    OB_TAKE(panel, sign_panel)
    OB_TAKE(for_x, gradient_x)
    OB_TAKE(for_w, gradient_w)
    OB_TAKE(windows, gradient_windows)
#undef OB_TAKE
    return OB_OK;
}

/* The steps of lookup.c, where they are quick and of the instruction set that multiplies; else NULL. */
static const ob_lookup_steps *lookups(ob_choice *choice) {
    ob_choice products;
    if (ob_resolve_inner(OB_OP_gradient_x, NULL, &products) || ob_resolve_inner(OB_OP_gradient_lookup, NULL, choice) ||
        strcmp(products.isa, choice->isa))
        return NULL;
    const ob_lookup_steps *steps = ((ob_gradient_lookup_kernel *)choice->kernel)();
    return steps->quick ? steps : NULL;
}

static ob_sign_gradients_call without_places(const ob_sign_gradients_call *call, const float *upstream) {
    ob_sign_gradients_call all = *call;
    all.which = NULL, all.upstream = upstream;
    return all;
}

size_t ob_sign_gradients_workspace(const ob_sign_gradients_call *call) {
    ob_gradient_plan plan;
    ob_pooled_job pooled;
    ob_lookup_job lookup;
    ob_choice choice;
    if (ob_gradient_plan_make(call, &plan)) return 0;
    if (call->which) {
        if (ob_pooled_plan(call, &pooled)) return pooled.total;
        const ob_sign_gradients_call all = without_places(call, NULL);
        const size_t bytes = ob_sign_gradients_workspace(&all), more = ob_unpooled_bytes(call, &plan) + OB_ALIGNMENT;
        return bytes && bytes <= SIZE_MAX - more ? bytes + more : 0;
    }
    size_t most = plan.total;
    if (ob_pooled_plan(call, &pooled) && pooled.total > most) most = pooled.total;
    if (lookups(&choice) && ob_lookup_plan(call, &lookup) && lookup.total > most) most = lookup.total;
    return most;
}

/* 0, and nothing done, if this call cannot go that way. */
static int look_up(const ob_sign_gradients_call *call, const ob_gradients_job *outer) {
    ob_choice choice;
    ob_lookup_job lookup;
    const ob_lookup_steps *steps = lookups(&choice);
    if (!steps || !ob_lookup_plan(call, &lookup) || call->workspace_bytes < lookup.total) return 0;
    ob_ran_again(OB_OP_gradient_lookup, &choice);
    lookup.steps = steps;
    ob_lookup_gradients(&lookup, outer);
    return 1;
}

/* A gradient that knows its places: by pooled.c, or written out in front of the workspace of a call that does not. */
static ob_status with_places(const ob_sign_gradients_call *call, const ob_gradients_job *outer) {
    ob_pooled_job pooled;
    if (!call->workspace || call->workspace_bytes < ob_sign_gradients_workspace(call)) return OB_ERROR_WORKSPACE;
    if (ob_pooled_plan(call, &pooled)) {
        ob_pooled_gradients(&pooled, outer);
        return OB_OK;
    }
    float *const upstream = (float *)(void *)outer->work;
    const size_t bytes = ob_unpooled_bytes(call, &outer->plan) + OB_ALIGNMENT;
    ob_sign_gradients_call all = without_places(call, upstream);
    all.workspace = (unsigned char *)call->workspace + bytes, all.workspace_bytes -= bytes;
    ob_unpool(call, &outer->plan, upstream);
    return ob_sign_gradients(&all);
}

ob_status ob_sign_gradients(const ob_sign_gradients_call *call) {
    ob_gradients_job s = {.call = call};
    ob_status status = ob_gradient_plan_make(call, &s.plan);
    if (status || (status = ob_executor_check(call->executor)) || (status = resolve(&s))) return status;
    if (call->batch == 0) {
        if (call->w_gradient) memset(call->w_gradient, 0, (size_t)(call->n * s.plan.taps * call->c) * 4);
        return OB_OK;
    }
    if (!call->upstream || (call->w_gradient && !call->x) || (call->x_gradient && !call->w)) return OB_ERROR_NULL;
    s.work = (unsigned char *)call->workspace + (64 - (uintptr_t)call->workspace % 64) % 64;
    if (call->which) return with_places(call, &s);
    if (!call->workspace || call->workspace_bytes < s.plan.total) return OB_ERROR_WORKSPACE;
    ob_pooled_job pooled;
    if (ob_pooled_plan(call, &pooled) && call->workspace_bytes >= pooled.total && ob_pooled_gradients(&pooled, &s))
        return OB_OK;
    if (look_up(call, &s)) return OB_OK;
    ob_gradient_plan_taps(&s.plan, s.work);
    ob_gradients_make_bytes(&s, call->x_gradient != NULL);
    multiply(&s);
    return OB_OK;
}
