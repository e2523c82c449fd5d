/* dispatch.h: which kernel an operator runs. */
#ifndef ONEBIT_DISPATCH_H
#define ONEBIT_DISPATCH_H

#include "onebit.h"

typedef enum ob_op {
    OB_OP_pack,
    OB_OP_unpack,
    OB_OP_dense,
    OB_OP_dense_u8,
    OB_OP_conv2d,
    OB_OP_conv2d_u8,
    OB_OP_float_steps,
    OB_OP_max_pool2d,
    OB_OP_gradient_maxima,
    OB_OP_gradient_bytes,
    OB_OP_gradient_windows,
    OB_OP_gradient_lookup,
    OB_OP_sign_panel,
    OB_OP_gradient_x,
    OB_OP_gradient_w,
    OB_OP_COUNT
} ob_op;

/* Any kernel; cast back to the operator's own type before the call. */
typedef void ob_any_kernel(void);

/* A kernel for one call. part_rows: rows of a part of its output are best a multiple of it. row: of the table. */
typedef struct ob_choice {
    ob_any_kernel *kernel;
    const char *isa;
    int64_t part_rows;
    const void *row;
} ob_choice;

/* The kernel that `op` runs now, noted as the one that ran; or the status that the forced instruction set earned.
 * shape and threads: what the choice depends on; NULL for an operator whose kernels are chosen by the table's order. */
ob_status ob_resolve(ob_op op, const ob_shape *shape, int32_t threads, ob_choice *choice);
/* The same for an operator that another one uses inside: not noted, because its user did not run it. */
ob_status ob_resolve_inner(ob_op op, const ob_shape *shape, ob_choice *choice);

/* Notes the kernel of a choice of ob_resolve as the one that ran once more. */
void ob_ran_again(ob_op op, const ob_choice *choice);
/* Changes whenever another instruction set is forced: choices made before may be others now. */
uint32_t ob_choices_version(void);

#endif
