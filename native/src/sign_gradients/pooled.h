/* pooled.h: gradients that come out of a max pool of 2 x 2, see pooled.c. */
#ifndef ONEBIT_SIGN_GRADIENTS_POOLED_H
#define ONEBIT_SIGN_GRADIENTS_POOLED_H

#include <stdatomic.h>

#include "call.h"

/* What pooled.c keeps: `inner` is the call of a 1 x 1 kernel on windows in place of places, whose stages 1 and 2 make
 * bytes of windows. Offsets are from inner's workspace. */
typedef struct ob_pooled_job {
    const ob_sign_gradients_call *call;
    ob_sign_gradients_call inner_call;
    ob_gradients_job inner;
    const ob_window_steps *steps;
    int64_t tall, wide;         /* windows of a picture */
    int64_t out_tall, out_wide; /* and of x's gradient, where the last may be half outside */
    int64_t windows, strip_pictures, strip_rows, strips_down, strips, slot_rows, slots;
    size_t values;           /* (windows, n) float, unless the call has them */
    size_t which;            /* (windows, place_bytes): where the value stands, 2 * row + column */
    size_t which_of_w;       /* again as [blocks][quads][16][4] */
    size_t planes, base_x;   /* [panels][16] panels of w, and what zeros sum to with them */
    size_t sums_w;           /* [blocks * 16][16] int32: sums of q, times OB_WINDOW_ZERO */
    size_t sums;             /* [panels][n][OB_POOLED_SUMS] int32: sums for w, [16][64] of a channel n, and a gap */
    size_t slot, slot_bytes; /* one for each task that runs at once */
    size_t total;
    int64_t w_units, units;
    atomic_llong next;
    atomic_int several;
} ob_pooled_job;

enum {
    OB_POOLED_SOME_QUADS = 16,                                  /* 8 panels of signs of so many quads: 32 KB */
    OB_POOLED_SUMS = OB_WINDOW_PLANES * OB_PANEL_CHANNELS + 16, /* not 4 KB, or all would share the lines of a cache */
};

#define OB_AT(job, type, offset) ((type *)(void *)((job)->inner.work + (job)->offset))

/* pooled_x.c: panels of w, then a strip of windows at 64 channels c. */
void ob_pooled_weights(const ob_pooled_job *job, int64_t panel);
void ob_pooled_x(const ob_pooled_job *job, int64_t unit, unsigned char *slot);
/* pooled_w.c: places of a block of channels n, a vertical factor at 64 channels c, then the taps of channels n. */
void ob_pooled_places(const ob_pooled_job *job, int64_t block);
void ob_pooled_w(const ob_pooled_job *job, int64_t unit, unsigned char *slot);
void ob_pooled_taps(const ob_pooled_job *job, int64_t panel, int64_t block);

/* unpooled.c: bytes of the gradient of all places, and that gradient, of a call whose gradient knows its places. */
size_t ob_unpooled_bytes(const ob_sign_gradients_call *call, const ob_gradient_plan *plan);
void ob_unpool(const ob_sign_gradients_call *call, const ob_gradient_plan *plan, float *out);

/* Whether gradients of such sizes may go this way, and the workspace they take. */
int ob_pooled_plan(const ob_sign_gradients_call *call, ob_pooled_job *job);
/* Both gradients; 0, and nothing done, if some window of the upstream gradient has several values. */
int ob_pooled_gradients(ob_pooled_job *job, const ob_gradients_job *outer);

#endif
