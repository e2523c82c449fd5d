/* product_scalar.h: what becomes of one sum. */
#ifndef ONEBIT_SIGN_GRADIENTS_PRODUCT_SCALAR_H
#define ONEBIT_SIGN_GRADIENTS_PRODUCT_SCALAR_H

#include "../kernels.h"

/* `at`: the number of the gradient and of its value in the window. */
OB_INLINE float ob_gradient_of(int32_t sum, float step, const float *window, int64_t at) {
    const float value = window ? window[at] : 0.0f;
    return value <= 1.0f && value >= -1.0f ? (float)sum * step : 0.0f;
}

/* The sum of channels j and c, added to those of earlier calls. */
OB_INLINE void ob_store_w(const ob_gradient_w_job *job, int64_t j, int64_t c, int32_t sum) {
    const int64_t at = j * job->out_step + c;
    int32_t before = 0;
    if (!job->first) memcpy(&before, job->out + 4 * at, 4);
    sum += before;
    if (job->last) {
        const float g = ob_gradient_of(sum + job->base[j], job->steps[j], job->window, at);
        memcpy(&sum, &g, 4);
    }
    memcpy(job->out + 4 * at, &sum, 4);
}

#endif
