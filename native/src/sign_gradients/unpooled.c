/* unpooled.c: an upstream gradient that knows its place in each window, as a gradient of all places, for calls that
 * pooled.c does not take. */
#include "../parts.h"
#include "../threads.h"
#include "pooled.h"

typedef struct unpool_job {
    const ob_sign_gradients_call *call;
    int64_t height, width; /* of the gradient of all places */
    float *out;
} unpool_job;

static void picture_task(void *data, int64_t picture) {
    const unpool_job *job = data;
    const int64_t n = job->call->n, tall = job->height / 2, wide = job->width / 2, row = job->width * n;
    float *const out = job->out + picture * job->height * row;
    int64_t at = picture * tall * wide * n;
    memset(out, 0, (size_t)(job->height * row) * 4);
    for (int64_t y = 0; y < tall; y++)
        for (int64_t x = 0; x < wide; x++)
            for (int64_t j = 0; j < n; j++, at++) {
                const int place = job->call->which[at] & 3;
                out[(2 * y + place / 2) * row + (2 * x + place % 2) * n + j] = job->call->upstream[at];
            }
}

size_t ob_unpooled_bytes(const ob_sign_gradients_call *call, const ob_gradient_plan *plan) {
    return (size_t)ob_round_up(plan->positions * call->n * 4, 64);
}

void ob_unpool(const ob_sign_gradients_call *call, const ob_gradient_plan *plan, float *out) {
    unpool_job job = {call, plan->y.window.out, plan->x.window.out, out};
    ob_run(call->executor, call->batch, picture_task, &job);
}
