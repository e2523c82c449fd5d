/* conv2d.h: a convolution in three acts, as dense.h says: ready, bound, and run. */
#ifndef ONEBIT_CONV2D_H
#define ONEBIT_CONV2D_H

#include "conv2d_prepare.h"
#include "float_steps.h"
#include "parts.h"

typedef enum ob_conv2d_input { OB_CONV2D_BITS, OB_CONV2D_U8, OB_CONV2D_S8 } ob_conv2d_input;

/* A convolution ready to run. */
typedef struct ob_conv2d_ready {
    ob_preparation prepared;
    ob_op op;
    ob_choice choice;
    ob_float_steps steps;
    ob_cut cut;            /* cut.parts tasks; none for an empty batch */
    size_t tables, copies; /* bytes of workspace, each 64-byte aligned; the copies lose theirs after the run */
} ob_conv2d_ready;

/* Looks at everything of a call but addresses of operands and the workspace, as ob_dense_make_ready does. */
ob_status ob_conv2d_make_ready(const ob_conv2d_call *call, ob_conv2d_input input, ob_grain grain,
                               ob_conv2d_ready *ready);
/* Both before the first bind. */
void ob_conv2d_bind_workspace(ob_conv2d_ready *ready, unsigned char *tables, unsigned char *copies);
void ob_conv2d_bind(ob_conv2d_ready *ready, const void *x, void *out, void *bits, const float *residual);
/* Part `index`, as an ob_task; before it, the tasks of conv2d_prepare.h have run. */
void ob_conv2d_part_task(void *ready, int64_t index);

#endif
