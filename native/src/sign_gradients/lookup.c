/* lookup.c: both gradients of a convolution of stride 1, where looking sums up is the fastest way to them. Five bytes q
 * make 32 sums with any signs. These are a table, one vector of 16-bit numbers, and the signs of 5 terms are an index:
 * one instruction finds the sums of 5 terms in 32 channels c, and one more adds them up.
 *   x   tables of 5 channels n at each place of the gradient, made for a strip of places and a part of n at a time;
 *       indices of w, once for a call
 *   w   tables of 5 positions of a channel n, indices of x's words with their padding around them. A position whose tap
 *       is outside of the picture is taken for +1, and left_out is what that adds
 * A table serves every tap and block of channels c, an index every place or channel n. After OB_LOOKUP_MOST tables the
 * 16-bit sums go to 32-bit ones: whole numbers, equal to those of sign_gradients.c to the last bit. */
#include "lookup.h"

#include "../parts.h"
#include "../threads.h"

static void prepare_task(void *data, int64_t index) {
    const ob_lookup_job *l = data;
    const ob_sign_gradients_call *call = l->job.call;
    const int64_t indices = call->x_gradient ? l->blocks * l->parts : 0;
    if (index < indices)
        ob_lookup_w_indices(l, index);
    else if (index - indices < l->job.plan.taps)
        ob_lookup_outside(l, index - indices);
    else
        ob_lookup_words(l, index - indices - l->job.plan.taps);
}

static void left_out_task(void *data, int64_t block) {
    ob_lookup_left_out(data, block);
}

/* One of the tasks that run at once: units until there are none left, in a slot of its own. */
static void units_task(void *data, int64_t index) {
    ob_lookup_job *l = data;
    unsigned char *slot = OB_LOOKUP_AT(l, unsigned char, slot) + (size_t)index * l->slot_bytes;
    for (int64_t unit; (unit = atomic_fetch_add(&l->next, 1)) < l->units;)
        if (unit < l->w_units)
            ob_lookup_w(l, unit, slot);
        else
            ob_lookup_x(l, unit - l->w_units, slot);
}

static void join_task(void *data, int64_t index) {
    ob_lookup_join(data, index);
}

void ob_lookup_gradients(ob_lookup_job *l, const ob_gradients_job *outer) {
    const ob_sign_gradients_call *call = outer->call;
    const int64_t taps = outer->plan.taps;
    l->job = *outer;
    ob_gradients_make_bytes(&l->job, 0);
    ob_gradient_plan_taps(&l->job.plan, l->job.work);
    int64_t *tap_at = OB_LOOKUP_AT(l, int64_t, tap_at);
    for (int64_t t = 0; t < taps; t++)
        tap_at[t] = OB_PART(&l->job, const int64_t, tap_bytes)[t] / l->job.plan.place_bytes * l->part_groups;
    *OB_LOOKUP_AT(l, int64_t, zero) = 0;
    ob_run(call->executor, (call->x_gradient ? l->blocks * l->parts : 0) + (call->w_gradient ? taps + call->batch : 0),
           prepare_task, l);
    if (call->w_gradient) ob_run(call->executor, l->job.plan.blocks, left_out_task, l);
    ob_run(call->executor, ob_least(l->slots, l->units), units_task, l);
    if (call->w_gradient && l->segments > 1) ob_run(call->executor, l->sets * l->blocks * taps, join_task, l);
}
