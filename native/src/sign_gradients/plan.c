/* plan.c: the checks and the arithmetic of plan.h. */
#include "plan.h"

#include "../parts.h"
#include "../workspace.h"

enum {
    TASK_VALUES = 1 << 16, /* as in pack.c */
    MOST_TERMS = 1 << 23,  /* of a sum: 255 * 2^23 < 2^31 */
};

int ob_gradient_shift(const ob_axis *window, int64_t phase, int64_t tap, int64_t *shift) {
    const int64_t distance = phase + window->before - tap * window->dilation;
    *shift = distance / window->stride;
    return distance % window->stride == 0;
}

static ob_status axis_make(int64_t size, const ob_sign_gradients_call *call, int direction, ob_gradient_axis *axis) {
    ob_axis *w = &axis->window;
    const ob_status status = ob_axis_make(size, call->kernel[direction], call->stride[direction],
                                          call->padding + 2 * direction, call->dilation[direction], w);
    if (status) return status;
    int64_t least = 0, most = w->out - 1;
    axis->phases = ob_least(w->stride, size);
    for (int64_t phase = 0; phase < axis->phases; phase++)
        for (int64_t tap = 0; tap < w->kernel; tap++) {
            int64_t shift;
            if (!ob_gradient_shift(w, phase, tap, &shift)) continue;
            least = ob_least(least, shift);
            most = ob_most(most, (size - 1 - phase) / w->stride + shift);
        }
    axis->before = -least;
    axis->padded = most + 1 - least;
    return OB_OK;
}

static ob_status lay_out(const ob_sign_gradients_call *call, ob_gradient_plan *p) {
    const int64_t channels = p->blocks * OB_BLOCK_CHANNELS, c = p->panels * OB_PANEL_CHANNELS;
    const int64_t for_x = call->x_gradient != NULL, for_w = call->w_gradient != NULL;
    size_t *total = &p->total;
    int64_t panel;
    if (__builtin_mul_overflow(p->y.padded, p->row_bytes, &p->picture_bytes) ||
        __builtin_mul_overflow(p->taps * p->n_quads, OB_QUAD_BYTES, &panel))
        return OB_ERROR_SIZE;
    p->largest = ob_reserve(total, call->batch, 1, 4);
    p->largest_of = ob_reserve(total, p->maxima_tasks, channels, 4);
    p->by_picture = ob_reserve(total, call->batch, 1, 4);
    p->picture_step = ob_reserve(total, call->batch, 1, 4);
    p->by_channel = ob_reserve(total, channels, 1, 4);
    p->channel_step = ob_reserve(total, channels, 1, 4);
    p->sums = ob_reserve(total, p->bytes_tasks, channels, 4);
    p->base_w = ob_reserve(total, channels, 1, 4);
    p->taps_of = ob_reserve(total, p->phases + 1, 1, 8);
    p->tap_bytes = ob_reserve(total, p->taps, 1, 8);
    p->tap = ob_reserve(total, p->taps, 1, 8);
    p->base_x = ob_reserve(total, p->phases, c, 4);
    p->zeros = ob_reserve(total, p->place_bytes, 1, 1);
    p->w_panels = ob_reserve(total, for_x * p->panels, panel, 1);
    p->pictures = ob_reserve(total, for_x * call->batch, p->picture_bytes, 1);
    p->bytes_of = ob_reserve(total, for_w * p->blocks, p->quads, 4 * OB_BLOCK_CHANNELS);
    ob_reserve_slack(total);
    return *total == SIZE_MAX ? OB_ERROR_SIZE : OB_OK;
}

ob_status ob_gradient_plan_make(const ob_sign_gradients_call *call, ob_gradient_plan *p) {
    *p = (ob_gradient_plan){0};
    if (!call) return OB_ERROR_NULL;
    if (call->batch < 0 || call->n < 1 || call->c < 1 || call->n > INT32_MAX || call->c > INT32_MAX)
        return OB_ERROR_SIZE;
    ob_status status = axis_make(call->height, call, 0, &p->y);
    if (!status) status = axis_make(call->width, call, 1, &p->x);
    if (status) return status;
    if (call->pad_value < -1 || call->pad_value > 1) return OB_ERROR_PAD_VALUE;
    p->taps = p->y.window.kernel * p->x.window.kernel;
    p->phases = p->y.phases * p->x.phases;
    if (__builtin_mul_overflow(p->y.window.out, p->x.window.out, &p->picture) ||
        __builtin_mul_overflow(p->picture, call->batch, &p->positions) || p->positions > MOST_TERMS ||
        p->taps > MOST_TERMS || p->taps * call->n > MOST_TERMS || p->taps * call->c > INT64_MAX / 64 / call->n ||
        p->phases > INT32_MAX || p->x.padded > INT32_MAX || p->y.padded > INT32_MAX ||
        call->height * call->width > INT64_MAX / 64 / call->c / ob_most(call->batch, 1))
        return OB_ERROR_SIZE;
    p->quads = ob_parts(p->positions, 4), p->blocks = ob_parts(call->n, OB_BLOCK_CHANNELS);
    p->n_quads = ob_parts(call->n, 4), p->panels = ob_parts(call->c, OB_PANEL_CHANNELS);
    p->place_bytes = 4 * p->n_quads;
    p->row_bytes = p->x.padded * p->place_bytes;
    p->pictures_per_task = ob_most(1, TASK_VALUES / (p->picture * call->n));
    p->maxima_tasks = ob_parts(call->batch, p->pictures_per_task);
    p->quads_per_task = ob_most(1, TASK_VALUES / 4 / call->n);
    p->bytes_tasks = ob_parts(p->quads, p->quads_per_task);
    return lay_out(call, p);
}

void ob_gradient_plan_taps(const ob_gradient_plan *p, unsigned char *work) {
    int64_t *taps_of = (int64_t *)(void *)(work + p->taps_of), count = 0;
    int64_t *tap_bytes = (int64_t *)(void *)(work + p->tap_bytes), *tap = (int64_t *)(void *)(work + p->tap);
    for (int64_t phase = 0; phase < p->phases; phase++) {
        taps_of[phase] = count;
        for (int64_t t = 0; t < p->taps; t++) {
            const int64_t i = t / p->x.window.kernel, j = t % p->x.window.kernel;
            int64_t down, right;
            if (!ob_gradient_shift(&p->y.window, phase / p->x.phases, i, &down) ||
                !ob_gradient_shift(&p->x.window, phase % p->x.phases, j, &right))
                continue;
            tap_bytes[count] = (down + p->y.before) * p->row_bytes + (right + p->x.before) * p->place_bytes;
            tap[count++] = t;
        }
    }
    taps_of[p->phases] = count;
}
