/* float_steps.c: see float_steps.h. */
#include "float_steps.h"

#include "parts.h"

enum {
    BLOCK_BYTES = 1 << 18, /* 256 KiB of floats: half of a small L2, as ROWS_BYTES of parts.c is for x */
    LEAST_ROWS = 48,       /* so that a panel of weights still serves several tiles of rows */
};

ob_status ob_float_steps_of(const ob_epilogue *epilogue, ob_float_steps *steps, ob_epilogue *product) {
    *steps = (ob_float_steps){.epilogue = *epilogue};
    *product = *epilogue;
    if (epilogue->output != OB_OUTPUT_FLOAT && epilogue->output != OB_OUTPUT_FLOAT_BITS) return OB_OK;
    product->output = OB_OUTPUT_FLOAT;
    if (epilogue->output == OB_OUTPUT_FLOAT && !epilogue->activation && !epilogue->residual) return OB_OK;
    const ob_status status = ob_resolve(OB_OP_float_steps, NULL, 1, &steps->choice);
    if (!status) steps->kernel = (ob_float_steps_kernel *)steps->choice.kernel;
    return status;
}

void ob_float_steps_bind(ob_float_steps *steps, void *bits, const float *residual) {
    steps->epilogue.bits = bits, steps->epilogue.residual = residual;
}

int64_t ob_float_steps_rows(const ob_float_steps *steps, const ob_dense_part *part) {
    if (!steps->kernel) return part->rows;
    const int64_t fit = BLOCK_BYTES / (4 * part->channels) / LEAST_ROWS * LEAST_ROWS;
    return ob_least(part->rows, ob_most(fit, LEAST_ROWS));
}
