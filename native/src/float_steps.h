/* float_steps.h: what happens to floats behind y * scale + bias: residual, activation, the bits of their signs.
 *
 * Kernels of products know nothing of it: they store y * scale + bias, and while a block of rows is still in the cache,
 * the steps go over it. So every kernel has every epilogue, and its loops keep all registers for sums. The cost is a
 * load and a store per float, from L2; in exchange residuals are read row by row, as memory is fastest. */
#ifndef ONEBIT_FLOAT_STEPS_H
#define ONEBIT_FLOAT_STEPS_H

#include "dispatch.h"
#include "kernels.h"

/* The steps of a call. kernel: NULL if there are none, which int32, bits and plain floats are. */
typedef struct ob_float_steps {
    ob_epilogue epilogue;
    ob_choice choice;
    ob_float_steps_kernel *kernel;
} ob_float_steps;

/* The steps of `epilogue`, whose kernel is noted as the one that ran, and what is left for the product to do. */
ob_status ob_float_steps_of(const ob_epilogue *epilogue, ob_float_steps *steps, ob_epilogue *product);

/* Where the second result goes and the residual comes from. */
void ob_float_steps_bind(ob_float_steps *steps, void *bits, const float *residual);

/* The rows of a part that are done at once: all of them, or a block whose floats stay in the cache until the steps. */
int64_t ob_float_steps_rows(const ob_float_steps *steps, const ob_dense_part *part);

#endif
