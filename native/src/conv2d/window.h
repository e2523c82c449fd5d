/* window.h: goes over the output pixels of a convolution: where the window of a pixel starts, and its base. */
#ifndef ONEBIT_WINDOW_H
#define ONEBIT_WINDOW_H

#include "../kernels.h"

typedef struct ob_window {
    const unsigned char *x, *line, *image; /* the first place of the window; of the window that starts this line */
    int64_t oy, ox;
} ob_window;

OB_INLINE ob_window ob_window_at(const ob_conv2d_job *job, int64_t row) {
    const int64_t pixels = job->out_height * job->out_width, inside = row % pixels;
    ob_window w = {.oy = inside / job->out_width, .ox = inside % job->out_width};
    w.image = job->dense.x + row / pixels * job->image_bytes;
    w.line = w.image + w.oy * job->stride_y;
    w.x = w.line + w.ox * job->stride_x;
    return w;
}

OB_INLINE void ob_window_next(const ob_conv2d_job *job, ob_window *w) {
    w->x += job->stride_x;
    if (++w->ox < job->out_width) return;
    w->ox = 0;
    w->line += job->stride_y;
    if (++w->oy == job->out_height) {
        w->oy = 0;
        w->line = w->image += job->image_bytes;
    }
    w->x = w->line;
}

/* The base of channel 0 at this pixel; those of its other channels follow. */
OB_INLINE const int32_t *ob_window_base(const ob_conv2d_job *job, const ob_window *w) {
    return job->base + (job->class_y[w->oy] + job->class_x[w->ox]) * job->base_step;
}

#endif
