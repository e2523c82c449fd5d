/* lookup_plan.c: which calls lookup.c can do, and its workspace. */
#include "../parts.h"
#include "../threads.h"
#include "../workspace.h"
#include "lookup.h"

enum {
    FEWEST_TAPS = 4,      /* tables of a place that serve fewer taps cost more than they save */
    STRIP_PLACES = 320,   /* of x's gradient */
    STRIP_SUMS = 1 << 16, /* sums of a strip: 256 KB, a quarter of a second cache */
    SET_ROWS = 66,        /* channels n whose tables (200 KB) and sums of 9 taps (300 KB) stay in a second cache */
    FEWEST_UNITS = 16,    /* of w, for threads to share */
};

static int fits(const ob_sign_gradients_call *call, const ob_gradient_plan *p) {
    const int64_t c = ob_round_up(call->c, 32), step = p->panels * 8;
    const int64_t tall = call->height + call->padding[0] + call->padding[1];
    const int64_t wide = call->width + call->padding[2] + call->padding[3];
    return call->stride[0] == 1 && call->stride[1] == 1 && call->batch > 0 && p->taps >= FEWEST_TAPS &&
           p->taps <= OB_LOOKUP_MOST && 4 * call->c >= 3 * c && call->n * p->taps <= INT32_MAX / step &&
           p->positions > 0 && wide <= INT32_MAX / step / tall / call->batch && p->picture <= INT32_MAX / 16;
}

static void cut(ob_lookup_job *l) {
    const ob_sign_gradients_call *call = l->job.call;
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t picture = call->height * call->width;
    const int64_t most = ob_least(STRIP_PLACES, ob_most(1, STRIP_SUMS / ob_round_up(call->c, 32)));
    l->groups = ob_parts(call->n, OB_LOOKUP_TERMS);
    l->parts = ob_parts(l->groups, OB_LOOKUP_MOST / p->taps);
    l->part_groups = ob_parts(l->groups, l->parts);
    l->parts = ob_parts(l->groups, l->part_groups);
    l->strip_pictures = ob_least(ob_most(1, most / picture), call->batch);
    l->strip_rows = ob_least(call->height, ob_most(1, most / call->width));
    if (l->strip_rows == call->height || l->strip_pictures > 1) l->strip_rows = call->height;
    l->strips_down = ob_parts(call->height, l->strip_rows);
    l->strips = ob_parts(call->batch, l->strip_pictures) * l->strips_down;
    l->strip_count = l->strip_pictures * l->strip_rows * call->width;
    l->strip_places =
        ((l->strip_pictures - 1) * p->y.padded + l->strip_rows + p->y.padded - call->height) * p->x.padded;
    l->splits = l->strips >= FEWEST_UNITS ? 1 : l->blocks;
    l->sets = ob_parts(call->n, SET_ROWS);
    l->set_rows = ob_round_up(ob_parts(call->n, l->sets), OB_LOOKUP_ROWS);
    l->sets = ob_parts(call->n, l->set_rows);
    l->w_parts = ob_parts(p->positions, OB_LOOKUP_PART_POSITIONS);
    l->segments = ob_least(l->w_parts, ob_parts(FEWEST_UNITS, l->sets * l->blocks));
}

static void lay_out(ob_lookup_job *l) {
    const ob_sign_gradients_call *call = l->job.call;
    const ob_gradient_plan *p = &l->job.plan;
    const int64_t for_x = call->x_gradient != NULL, for_w = call->w_gradient != NULL;
    const int64_t lanes = ob_round_up(call->c, 32), table = OB_LOOKUP_SUMS * 2;
    const int64_t unit_sums = p->taps * l->set_rows * OB_LOOKUP_LANES;
    size_t *total = &l->total;
    *total = p->total;
    l->tap_at = ob_reserve(total, p->taps, 1, 8);
    l->zero = ob_reserve(total, 1, 1, 8);
    l->w_indices = ob_reserve(total, for_x * p->taps * l->parts * l->part_groups, lanes, 2);
    l->words = ob_reserve(total, for_w * call->batch * l->tall, l->wide, (size_t)l->words_step);
    l->starts = ob_reserve(total, for_w * l->w_parts, OB_LOOKUP_PART_POSITIONS, 4);
    l->outside = ob_reserve(total, for_w * p->taps, p->picture, 4);
    l->counts = ob_reserve(total, p->taps, 1, 8);
    l->left_out = ob_reserve(total, p->taps, p->blocks * OB_BLOCK_CHANNELS, 4);
    l->sums = ob_reserve(total, for_w * (l->segments > 1) * l->segments, l->sets * l->blocks * unit_sums, 4);
    const int64_t x_slot =
        l->strip_places * l->part_groups * table + l->strip_count * (lanes * 4 + 8 + 8 + 4) + 4 * OB_ALIGNMENT;
    const int64_t w_slot = l->set_rows * (OB_LOOKUP_PART_TABLES * table + 8) + unit_sums * 4 +
                           OB_LOOKUP_PART_TABLES * OB_LOOKUP_LANES * 2 + 4 * OB_ALIGNMENT;
    l->slot_bytes = (size_t)ob_round_up(ob_most(for_x * x_slot, for_w * w_slot), OB_ALIGNMENT);
    l->slot = ob_reserve(total, l->slots, 1, l->slot_bytes);
    ob_reserve_slack(total);
}

int ob_lookup_plan(const ob_sign_gradients_call *call, ob_lookup_job *l) {
    *l = (ob_lookup_job){.job = {.call = call}};
    if (ob_gradient_plan_make(call, &l->job.plan) || !fits(call, &l->job.plan)) return 0;
    l->blocks = ob_parts(call->c, OB_LOOKUP_LANES), l->words_step = l->job.plan.panels * 8;
    l->tall = call->height + call->padding[0] + call->padding[1];
    l->wide = call->width + call->padding[2] + call->padding[3];
    l->slots = ob_executor_threads(call->executor);
    cut(l);
    l->w_units = call->w_gradient ? l->sets * l->blocks * l->segments : 0;
    l->units = l->w_units + (call->x_gradient ? l->strips * l->splits : 0);
    lay_out(l);
    return l->total != SIZE_MAX;
}
