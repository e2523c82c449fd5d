/* gradient_bytes_scalar.c: one value after the other, on any processor. The oracle of the other kernels. */
#include "../sign_gradients/rounding.h"
#include "gradient_bytes.h"

static int32_t rounded(const ob_gradient_bytes_job *job, float v, uint32_t index) {
    return job->stochastic ? ob_stochastic(v, ob_uniform(job->seed, index)) : ob_nearest(v);
}

void ob_gradient_bytes_scalar(const ob_gradient_bytes_job *job, int64_t quad, int64_t quads, int32_t *sums) {
    for (int64_t position = 4 * quad; position < 4 * (quad + quads); position++) {
        const int exists = position < job->positions;
        const float *g = job->g + position * job->n;
        if (exists && job->pictures) {
            const float by = job->by_picture[position / job->picture_positions];
            unsigned char *to = ob_gradient_place(job, position);
            for (int64_t j = 0; j < job->place_bytes; j++)
                to[j] = (unsigned char)(128 +
                                        (j < job->n ? rounded(job, g[j] * by, (uint32_t)(position * job->n + j)) : 0));
        }
        if (!job->blocks) continue;
        for (int64_t j = 0; j < (job->n + OB_BLOCK_CHANNELS - 1) / OB_BLOCK_CHANNELS * OB_BLOCK_CHANNELS; j++) {
            const int live = exists && j < job->n;
            const int32_t q = live ? rounded(job, g[j] * job->by_channel[j], (uint32_t)(position * job->n + j)) : 0;
            job->blocks[j / OB_BLOCK_CHANNELS * job->block_bytes + position / 4 * 64 + j % OB_BLOCK_CHANNELS * 4 +
                        position % 4] = (unsigned char)q;
            sums[j] += (signed char)q;
        }
    }
}
