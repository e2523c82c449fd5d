/* conv2d_avx512bw.c: y = base - 2 * popcount(x ^ w) without a popcount instruction.
 *
 * Windows are written one below the other, as the running exclusive ors of their words, and multiplied as rows of a
 * product by dense_avx512bw.c, with their bases in place of k. Writing a window costs a load, an exclusive or and a
 * store per word, once for all output channels. So the limit is that of the dense kernel, 182 MAC per operation; short
 * windows stay below, because of the last digits: with 9 words (c = 64) 85, with 36 (c = 256) 130.
 * Groups that are not whole words, or whose outputs are no multiple of 16, and windows longer than 512 words take the
 * AVX2 kernel. */
#if defined(__x86_64__)
#include "../dense/dense_avx512bw.h"
#include "../epilogue/epilogue_scalar.h"
#include "window.h"

/* The running exclusive ors of windows [0, count) from `window` on, which moves along; the bases of channel 0 as well.
 */
static void write_windows(const ob_conv2d_job *job, ob_window *window, int64_t count, int64_t group_bytes,
                          unsigned char *to, const int32_t *base[OB_RUNNING_ROWS]) {
    for (int64_t r = 0; r < count; r++, ob_window_next(job, window)) {
        const unsigned char *const from = window->x + group_bytes;
        uint64_t running = 0;
        base[r] = ob_window_base(job, window);
        for (int64_t i = 0; i < job->step_count; i++, to += 8) {
            running ^= ob_load_u64(from + job->steps[i]);
            memcpy(to, &running, sizeof running);
        }
    }
}

/* Channels [channel, end) of one group. */
static void group(const ob_conv2d_job *job, const ob_dense_part *part, int64_t channel, int64_t end) {
    _Alignas(64) unsigned char running[8 * OB_RUNNING_WORDS];
    const int32_t *base[OB_RUNNING_ROWS];
    const int64_t group_bytes = channel / job->group_n * job->group_c / 8;
    const int64_t block = ob_running_block(part->rows, job->dense.words);
    ob_window window = ob_window_at(job, part->row);
    ob_dense_job product = job->dense;
    product.x = running, product.x_bytes = 8 * job->dense.words;
    for (int64_t row = 0; row < part->rows; row += block) {
        const int64_t rows = part->rows - row < block ? part->rows - row : block;
        const ob_dense_part now = {0, rows, channel, end - channel};
        product.out = job->dense.out + (part->row + row) * job->dense.out_bytes;
        write_windows(job, &window, rows, group_bytes, running, base);
        ob_product_avx512bw(&product, &now, base);
    }
}

void ob_conv2d_avx512bw(const ob_conv2d_job *job, const ob_dense_part *part) {
    const int64_t part_end = part->channel + part->channels;
    if (!job->plain || job->dense.words > OB_RUNNING_LONGEST) {
        ob_conv2d_avx2(job, part);
        return;
    }
    for (int64_t channel = part->channel; channel < part_end;) {
        const int64_t group_end = (channel / job->group_n + 1) * job->group_n;
        const int64_t end = group_end < part_end ? group_end : part_end;
        group(job, part, channel, end);
        channel = end;
    }
    ob_clear_tail(&job->dense, part);
}

#endif
