/* pooled_plan.c: which calls pooled.c can do, and its workspace. */
#include "../parts.h"
#include "../threads.h"
#include "../workspace.h"
#include "pooled.h"

enum {
    MOST_CHANNELS = 1320, /* n: 127 * 100 * n, what 16 planes may add up to, is below 2^24, where floats are exact */
    MOST_WIDTH = 1024,
    MOST_WINDOWS = 1 << 21, /* 8 * 127 * 2^21 < 2^31 */
    STRIP_WINDOWS = 96,     /* sums of 16 planes of 96 windows at 64 channels: 384 KB, half of a second cache */
};

static int same_size(const ob_sign_gradients_call *call) {
    for (int d = 0; d < 2; d++)
        if (call->kernel[d] != 3 || call->stride[d] != 1 || call->dilation[d] != 1) return 0;
    for (int side = 0; side < 4; side++)
        if (call->padding[side] != 1) return 0;
    return !call->stochastic && call->n <= MOST_CHANNELS && call->height > 1 && call->width > 1 &&
           call->width <= MOST_WIDTH && call->height * call->width <= MOST_WINDOWS && call->batch > 0 &&
           call->batch * (call->height / 2) * (call->width / 2) <= MOST_WINDOWS;
}

/* A strip is some pictures, or some rows of windows of one; its sums stay in the second cache. */
static void cut(ob_pooled_job *job) {
    const int64_t windows = job->tall * job->wide;
    job->strip_pictures = ob_least(ob_most(1, STRIP_WINDOWS / windows), job->call->batch);
    job->strip_rows = job->out_tall;
    if (windows > STRIP_WINDOWS) job->strip_rows = ob_most(1, STRIP_WINDOWS / job->wide - 1);
    job->strips_down = ob_parts(job->out_tall, job->strip_rows);
    job->strips = ob_parts(job->call->batch, job->strip_pictures) * job->strips_down;
    job->slot_rows = ob_most(STRIP_WINDOWS, (job->strip_rows + 1) * job->wide);
    if (windows <= STRIP_WINDOWS) job->slot_rows = job->strip_pictures * windows;
}

static void lay_out(ob_pooled_job *job) {
    const ob_gradient_plan *p = &job->inner.plan;
    const int64_t n = p->blocks * OB_BLOCK_CHANNELS, c = OB_PANEL_CHANNELS;
    const int64_t for_x = job->call->x_gradient != NULL, for_w = job->call->w_gradient != NULL;
    size_t *total = &job->total;
    *total = p->total;
    job->values = ob_reserve(total, job->call->which ? 0 : job->windows * job->call->n, 4, 1);
    job->which = ob_reserve(total, job->windows, p->place_bytes, 1);
    job->which_of_w = ob_reserve(total, for_w * p->blocks * p->quads, 4 * OB_BLOCK_CHANNELS, 1);
    job->planes = ob_reserve(total, for_x * p->panels * OB_WINDOW_PLANES * p->n_quads, OB_QUAD_BYTES, 1);
    job->base_x = ob_reserve(total, p->panels * OB_WINDOW_PLANES * c, 4, 1);
    job->sums_w = ob_reserve(total, n * OB_WINDOW_PLANES, 4, 1);
    job->sums = ob_reserve(total, for_w * p->panels * job->call->n, OB_POOLED_SUMS * 4, 1);
    const int64_t x_slot = job->slot_rows * (p->place_bytes + OB_WINDOW_PLANES * c * 4 + 8 + 8 + 4) +
                           (OB_WINDOW_FACTORS + 1) * job->wide * c * 4;
    const int64_t w_slot = (8 * OB_POOLED_SOME_QUADS + OB_WINDOW_FACTORS * OB_PANEL_QUADS) * OB_QUAD_BYTES;
    job->slot_bytes = (size_t)ob_round_up(ob_most(for_x * x_slot, for_w * w_slot), 64);
    job->slot = ob_reserve(total, job->slots, 1, job->slot_bytes);
    ob_reserve_slack(total);
}

int ob_pooled_plan(const ob_sign_gradients_call *call, ob_pooled_job *job) {
    if (!same_size(call)) return 0;
    *job = (ob_pooled_job){.call = call, .tall = call->height / 2, .wide = call->width / 2};
    job->out_tall = ob_parts(call->height, 2), job->out_wide = ob_parts(call->width, 2);
    job->windows = call->batch * job->tall * job->wide;
    job->inner_call = *call;
    ob_sign_gradients_call *inner = &job->inner_call;
    inner->height = job->tall, inner->width = job->wide;
    for (int d = 0; d < 2; d++) inner->kernel[d] = 1;
    for (int side = 0; side < 4; side++) inner->padding[side] = 0;
    job->inner.call = inner;
    if (ob_gradient_plan_make(inner, &job->inner.plan)) return 0;
    job->slots = ob_executor_threads(call->executor);
    cut(job);
    lay_out(job);
    return job->total != SIZE_MAX;
}
