/* pool_window.h: which places of the picture a pooling window covers: those inside, never none. */
#ifndef ONEBIT_POOL_WINDOW_H
#define ONEBIT_POOL_WINDOW_H

#include "../kernels.h"

typedef struct ob_pool_window {
    const unsigned char *x; /* the first place */
    int64_t rows, columns;
} ob_pool_window;

/* Row `row` of the output of all pictures, column `ox`. */
OB_INLINE ob_pool_window ob_pool_window_at(const ob_max_pool2d_job *job, int64_t row, int64_t ox) {
    const int64_t image = row / job->out_height, oy = row % job->out_height;
    const int64_t y = oy * job->stride[0] - job->top, x = ox * job->stride[1] - job->left;
    const int64_t top = y > 0 ? y : 0, left = x > 0 ? x : 0;
    const int64_t bottom = y + job->kernel[0] < job->height ? y + job->kernel[0] : job->height;
    const int64_t right = x + job->kernel[1] < job->width ? x + job->kernel[1] : job->width;
    const unsigned char *from = job->x + ((image * job->height + top) * job->width + left) * job->words * 8;
    return (ob_pool_window){from, bottom - top, right - left};
}

#endif
