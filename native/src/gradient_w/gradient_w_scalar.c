/* gradient_w_scalar.c: one sum after the other, on any processor. The oracle of the other kernels. */
#include "../sign_gradients/product_scalar.h"

void ob_gradient_w_scalar(const ob_gradient_w_job *job) {
    for (int64_t j = 0; j < job->n; j++) {
        const unsigned char *row = job->blocks + j / OB_BLOCK_CHANNELS * job->block_bytes + j % OB_BLOCK_CHANNELS * 4;
        int32_t sum[OB_PANEL_CHANNELS] = {0};
        for (int64_t q = 0; q < job->quads; q++)
            for (int c = 0; c < OB_PANEL_CHANNELS; c++)
                for (int i = 0; i < 4; i++)
                    sum[c] +=
                        job->panel[OB_QUAD_BYTES * q + 4 * c + i] * (signed char)row[4 * OB_BLOCK_CHANNELS * q + i];
        for (int64_t c = 0; c < job->channels; c++) ob_store_w(job, j, c, sum[c]);
    }
}
