/* pooled.c: both gradients of a 3 x 3 convolution whose output went into a max pool of 2 x 2: at most one of the four
 * places of a window has a gradient, in each channel. So sums and differences of neighbours, a + b and b - a, are bytes
 * as well, and 4 products do for the 6 of an axis (Winograd's way, arXiv:1509.09308, here without any rounding):
 *   x, taps t of w   2 y[2i]     = 2 t2 b[i-1] - 2 t2 b[i] + (t0 + t1 + t2) (a + b)[i] + (t0 - t1 + t2) (b - a)[i]
 *                    2 y[2i + 1] = (t0 + t1 + t2) (a + b)[i] - (t0 - t1 + t2) (b - a)[i] - 2 t0 a[i] + 2 t0 a[i+1]
 *   w, x0 to x3      A = a (x0 - x2), S = (a + b) (x1 + x2), D = (b - a) (x1 - x2), B = b (x1 - x3)
 *                    2 t0 = 2 A + S + D        2 t1 = S - D        2 t2 = S + D - 2 B
 * In both directions that is 16 products of a window in place of 36: sums of whole numbers, equal to those of
 * sign_gradients.c to the last bit. The kernels of products are the same; a plane is what a pair of factors makes. */
#include "pooled.h"

#include "../parts.h"
#include "../threads.h"

/* ---- the values of windows ---- */
/* Places that the call has. */
static void copy_places(const ob_pooled_job *job, int64_t picture) {
    const int64_t n = job->call->n, step = job->inner.plan.place_bytes, windows = job->tall * job->wide;
    const unsigned char *from = job->call->which + picture * windows * n;
    unsigned char *to = OB_AT(job, unsigned char, which) + picture * windows * step;
    for (int64_t window = 0; window < windows; window++, from += n, to += step)
        for (int64_t j = 0; j < n; j++) to[j] = from[j] & 3;
}

static void take_task(void *data, int64_t picture) {
    ob_pooled_job *job = data;
    const ob_sign_gradients_call *call = job->call;
    if (call->which) {
        copy_places(job, picture);
        return;
    }
    const int64_t n = call->n, row = call->width * n, step = job->inner.plan.place_bytes;
    const float *g = call->upstream + picture * call->height * row;
    int64_t window = picture * job->tall * job->wide;
    int several = 0;
    for (int64_t y = 0; y < job->tall && !several && !atomic_load(&job->several); y++, window += job->wide) {
        const ob_window_row windows = {g + 2 * y * row, job->wide, n, row, step};
        unsigned char *which = OB_AT(job, unsigned char, which) + window * step;
        several = job->steps->take(&windows, OB_AT(job, float, values) + window * n, which);
        for (int64_t i = 0; i < 2 && call->width % 2; i++) several |= job->steps->any(g + (2 * y + i + 1) * row - n, n);
    }
    if (!several && call->height % 2) several = job->steps->any(g + (call->height - 1) * row, row);
    if (several) atomic_store(&job->several, 1);
}

/* ---- the products ---- */
static void prepare_task(void *data, int64_t index) {
    const ob_pooled_job *job = data;
    const int64_t blocks = job->call->w_gradient ? job->inner.plan.blocks : 0;
    if (index < blocks)
        ob_pooled_places(job, index);
    else
        ob_pooled_weights(job, index - blocks);
}

/* One of the tasks that run at once: units until there are none left, in a slot of its own. */
static void products_task(void *data, int64_t index) {
    ob_pooled_job *job = data;
    unsigned char *slot = OB_AT(job, unsigned char, slot) + (size_t)index * job->slot_bytes;
    for (int64_t unit; (unit = atomic_fetch_add(&job->next, 1)) < job->units;)
        if (unit < job->w_units)
            ob_pooled_w(job, unit, slot);
        else
            ob_pooled_x(job, unit - job->w_units, slot);
}

static void taps_task(void *data, int64_t index) {
    const ob_pooled_job *job = data;
    ob_pooled_taps(job, index % job->inner.plan.panels, index / job->inner.plan.panels);
}

static void start(ob_pooled_job *job, const ob_gradients_job *outer) {
    const ob_sign_gradients_call *inner_call = &job->inner_call;
    const ob_gradient_plan plan = job->inner.plan;
    job->inner = *outer, job->inner.call = inner_call, job->inner.plan = plan;
    job->inner_call.upstream = job->call->which ? job->call->upstream : OB_AT(job, const float, values);
    job->w_units = job->call->w_gradient ? plan.panels * OB_WINDOW_FACTORS : 0;
    job->units = job->w_units + (job->call->x_gradient ? plan.panels * job->strips : 0);
}

int ob_pooled_gradients(ob_pooled_job *job, const ob_gradients_job *outer) {
    const ob_executor *executor = job->call->executor;
    start(job, outer);
    job->steps = outer->windows();
    const ob_gradient_plan *p = &job->inner.plan;
    ob_run(executor, job->call->batch, take_task, job);
    if (atomic_load(&job->several)) return 0;
    ob_gradients_make_bytes(&job->inner, 0); /* panels of w are others here */
    memset(job->inner.work + p->zeros, 128, (size_t)p->place_bytes);
    memset(OB_AT(job, int32_t, sums_w), 0, (size_t)(p->blocks * OB_BLOCK_CHANNELS * OB_WINDOW_PLANES) * 4);
    const int64_t for_x = job->call->x_gradient != NULL, for_w = job->call->w_gradient != NULL;
    ob_run(executor, for_w * p->blocks + for_x * p->panels, prepare_task, job);
    ob_run(executor, ob_least(job->slots, job->units), products_task, job);
    if (for_w) ob_run(executor, p->blocks * p->panels, taps_task, job);
    return 1;
}
