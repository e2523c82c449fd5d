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
    OB_OP_COUNT
} ob_op;

/* Any kernel; cast back to the operator's own type before the call. */
typedef void ob_any_kernel(void);

/* The kernel that `op` runs now, noted as the one that ran; or the status that the forced instruction set earned. */
ob_status ob_resolve(ob_op op, ob_any_kernel **kernel);
/* The same for an operator that another one uses inside: not noted, because its user did not run it. */
ob_status ob_resolve_inner(ob_op op, ob_any_kernel **kernel);

#endif
