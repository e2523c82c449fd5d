/* dense_u8_scalar.c: y = sum(x) - 2 * (sum of the x whose weight bit is 1), on any processor. The oracle of the other
 * kernels. Limit: one masked addition per MAC. */
#include "../epilogue/epilogue_scalar.h"

void ob_dense_u8_scalar(const ob_dense_job *job, const ob_dense_part *part) {
    for (int64_t row = part->row; row < part->row + part->rows; row++) {
        const unsigned char *x = job->x + row * job->x_bytes;
        uint32_t sum = 0;
        for (int64_t i = 0; i < job->k; i++) sum += x[i];
        for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
            int32_t y[8];
            for (int c = 0; c < 8; c++) {
                const unsigned char *words = ob_group(job, channel) + 8 * c;
                uint32_t minus = 0;
                for (int64_t w = 0; w < job->words; w++) {
                    const uint64_t word = ob_load_u64(words + 64 * w);
                    const int64_t live = job->k - 64 * w < 64 ? job->k - 64 * w : 64;
                    for (int64_t b = 0; b < live; b++) minus += x[64 * w + b] & (0u - (uint32_t)(word >> b & 1));
                }
                y[c] = (int32_t)(sum - 2 * minus + (job->base ? (uint32_t)job->base[channel + c] : 0));
            }
            ob_store_scalar(job, row, channel, y);
        }
    }
    ob_clear_tail(job, part);
}
