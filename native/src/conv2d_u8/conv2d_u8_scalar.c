/* conv2d_u8_scalar.c: y = factor * (sum of p * w) + base, on any processor. The oracle of the other kernels.
 * Limit: one masked addition per MAC. */
#include "direct.h"

void ob_conv2d_u8_scalar(const ob_conv2d_job *job, const ob_dense_part *part) {
    ob_direct(job, part);
}
