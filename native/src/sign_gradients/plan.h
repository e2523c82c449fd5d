/* plan.h: what ob_sign_gradients decides before it computes: sizes, the taps of every phase, the workspace. */
#ifndef ONEBIT_SIGN_GRADIENTS_PLAN_H
#define ONEBIT_SIGN_GRADIENTS_PLAN_H

#include "../conv2d_plan.h"

/* One direction of the picture. Places of x whose numbers leave the same rest by the stride are a phase: the taps that
 * reach them are the same, and place rest + stride * a of x meets place a + shift of the gradient. */
typedef struct ob_gradient_axis {
    ob_axis window;
    int64_t phases;         /* the stride, or fewer */
    int64_t before, padded; /* places of zeros in front of the gradient, and all its places then */
} ob_gradient_axis;

typedef struct ob_gradient_plan {
    ob_gradient_axis y, x;
    int64_t picture, positions; /* places of the gradient: of a picture, of all */
    int64_t quads, blocks;      /* of positions; of channels n by 16 */
    int64_t n_quads, panels;    /* of channels n; of channels c by 64, which are words, too */
    int64_t taps, phases;
    int64_t place_bytes, row_bytes, picture_bytes; /* of the padded gradient */
    int64_t pictures_per_task, maxima_tasks, quads_per_task, bytes_tasks;
    size_t largest, largest_of;      /* (batch) and (maxima_tasks, blocks * 16) int32 */
    size_t by_picture, picture_step; /* (batch) float */
    size_t by_channel, channel_step; /* (blocks * 16) float */
    size_t sums, base_w;             /* (bytes_tasks, blocks * 16) and (blocks * 16) int32 */
    size_t taps_of, tap_bytes, tap;  /* (phases + 1), (taps), (taps) int64: taps ordered by phase */
    size_t base_x;                   /* (phases, panels * 64) int32 */
    size_t zeros;                    /* a place of the gradient's zeros */
    size_t w_panels;                 /* (panels, taps, n_quads, 64, 4) int8 */
    size_t pictures;                 /* (batch, padded height, padded width, place_bytes) */
    size_t bytes_of;                 /* (blocks, quads, 16, 4) int8 */
    size_t total;
} ob_gradient_plan;

ob_status ob_gradient_plan_make(const ob_sign_gradients_call *call, ob_gradient_plan *plan);
/* Whether tap i reaches the places of a phase, and by what shift. */
int ob_gradient_shift(const ob_axis *window, int64_t phase, int64_t tap, int64_t *shift);
/* Fills taps_of, tap_bytes and tap of the workspace. */
void ob_gradient_plan_taps(const ob_gradient_plan *plan, unsigned char *work);

#endif
