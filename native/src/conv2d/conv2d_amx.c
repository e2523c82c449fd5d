/* conv2d_amx.c: y = base - tail + sum of (+-1) * (+-1), by tiles. A row is a window: its words stand at the same
 * distances from its start as everyone's (job->steps), so nothing is unfolded; a bit outside of the picture is 0, which
 * the base puts right as for every kernel. Cost and limits are amx/product.c's: 1024 MAC/cycle. Only for whole words
 * (job->plain): where a mask discards most bits of a word, tiles would multiply them all. */
#if defined(__x86_64__)
#include "../amx/product.h"
#include "../epilogue/epilogue_scalar.h"
#include "window.h"

static void locate(const ob_amx_product *p, int64_t row, int64_t count, ob_block_rows *rows) {
    const ob_conv2d_job *job = p->owner;
    ob_window window = ob_window_at(job, row);
    for (int64_t r = 0; r < count; r++, ob_window_next(job, &window)) {
        rows->x[r] = window.x;
        rows->base[r] = ob_window_base(job, &window);
    }
}

void ob_conv2d_amx(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t end = part->channel + part->channels;
    for (int64_t channel = part->channel; channel < end;) { /* the channels of one group read the same words */
        const int64_t group = channel / job->group_n, group_end = (group + 1) * job->group_n;
        const int64_t past = group_end < end ? group_end : end;
        const ob_amx_product product = {.job = &job->dense,
                                        .owner = job,
                                        .locate = locate,
                                        .steps = job->steps,
                                        .channel_offset = group * job->group_c / 8};
        const ob_dense_part of_group = {part->row, part->rows, channel, past - channel};
        ob_amx_multiply(&product, &of_group);
        channel = past;
    }
    ob_clear_tail(&job->dense, part);
}

#endif
