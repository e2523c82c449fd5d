/* windows.h: the windows of a convolution as rows of product.h, in the picture as it lies. */
#ifndef ONEBIT_PAIR_TABLE_WINDOWS_H
#define ONEBIT_PAIR_TABLE_WINDOWS_H

#include "../conv2d/window.h"
#include "ways.h"

/* Is the job one for ob_pair_conv2d? */
OB_INLINE int ob_pair_fits(const ob_conv2d_job *job) {
    return job->plain && job->dense.words <= OB_PAIR_LONGEST;
}

/* The taps of a window; y: the class of its line. Field by field: what is copied as a whole right after it was written
 * waits for the stores. */
OB_INLINE void ob_pair_locate(const ob_conv2d_job *job, const ob_window *window, const ob_class *y, ob_pair_row *to) {
    const ob_class *const x = &job->inside_x[job->class_x[window->ox]];
    const int64_t taps = (int64_t)(y->taps[1] - y->taps[0]) * (x->taps[1] - x->taps[0]);
    to->k = (int32_t)(job->outside ? job->dense.k : taps * job->group_c);
    to->in_y[0] = y->taps[0], to->in_y[1] = y->taps[1], to->in_x[0] = x->taps[0], to->in_x[1] = x->taps[1];
}

/* The part's windows and channels [channel, end) of one group. */
OB_INLINE void ob_pair_group(const ob_conv2d_job *job, const ob_dense_part *part, const ob_pair_ways *ways,
                             int64_t channel, int64_t end) {
    const ob_pair_words words = {job->taps_y, job->taps_x, job->slots, job->tap_y, job->tap_x, job->outside};
    const int64_t group_bytes = channel / job->group_n * job->group_c / 8, past = part->row + part->rows;
    const int64_t block = ob_pair_rows_at_once(part->rows, job->dense.words);
    const int whole = job->outside || job->classes_y * job->classes_x == 1;
    ob_pair_product *const product =
        ob_pair_choose(ways, block < part->rows ? block : part->rows, job->dense.words, end - channel, whole);
    unsigned char *out = job->dense.out + part->row * job->dense.out_bytes;
    const ob_class *y = NULL;
    ob_window window = ob_window_at(job, part->row);
    ob_pair_row rows[OB_PAIR_ROWS];
    for (int64_t row = part->row; row < past;) {
        int64_t count = 0;
        for (; count < block && row < past; row++, count++, out += job->dense.out_bytes) {
            if (!y || !window.ox) y = &job->inside_y[job->class_y[window.oy] / job->classes_x];
            rows[count].x = window.x + group_bytes, rows[count].out = out;
            ob_pair_locate(job, &window, y, &rows[count]);
            ob_window_next(job, &window);
        }
        product(&job->dense, rows, count, &words, channel, end);
    }
}

OB_INLINE void ob_pair_conv2d(const ob_conv2d_job *job, const ob_dense_part *part, const ob_pair_ways *ways) {
    const int64_t part_end = part->channel + part->channels;
    for (int64_t channel = part->channel; channel < part_end;) {
        const int64_t group_end = (channel / job->group_n + 1) * job->group_n;
        const int64_t end = group_end < part_end ? group_end : part_end;
        ob_pair_group(job, part, ways, channel, end);
        channel = end;
    }
}

#endif
