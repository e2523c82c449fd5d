/* call.h: one call of ob_sign_gradients, as its stages share it. */
#ifndef ONEBIT_SIGN_GRADIENTS_CALL_H
#define ONEBIT_SIGN_GRADIENTS_CALL_H

#include "plan.h"

enum { OB_PANEL_QUADS = 128 }; /* made at once: 32 KB, which stays in the first cache while others pass over it */

typedef struct ob_gradients_job {
    const ob_sign_gradients_call *call;
    ob_gradient_plan plan;
    unsigned char *work;
    ob_gradient_maxima_kernel *maxima;
    ob_gradient_bytes_kernel *bytes;
    ob_sign_panel_kernel *panel;
    ob_gradient_x_kernel *for_x;
    ob_gradient_w_kernel *for_w;
    ob_gradient_windows_kernel *windows;
    ob_gradient_bytes_job bytes_job;
    int64_t w_tasks, x_blocks; /* x_blocks: tasks of one phase and panel */
} ob_gradients_job;

/* The part of the workspace at `offset`. */
#define OB_PART(s, type, offset) ((type *)(void *)((s)->work + (s)->plan.offset))

/* Stages 1 and 2 of sign_gradients.c: fills everything that the products read but base_x; panels of w if asked to. */
void ob_gradients_make_bytes(ob_gradients_job *job, int w_panels);

#endif
