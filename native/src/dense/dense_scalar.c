/* dense_scalar.c: y = k - 2 * popcount(x ^ w), on any processor, in portable C. The oracle of the other kernels.
 * Limit: the popcount in shifts and masks, 12 operations for 64 MAC. */
#include "../epilogue/epilogue_scalar.h"
#include "../popcount_scalar.h"

void ob_dense_scalar(const ob_dense_job *job, const ob_dense_part *part) {
    for (int64_t row = part->row; row < part->row + part->rows; row++)
        for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
            const unsigned char *x = job->x + row * job->x_bytes, *line = ob_group(job, channel);
            uint32_t differ[8] = {0};
            int32_t y[8];
            for (int64_t w = 0; w < job->words; w++, line += 64) {
                const uint64_t word = ob_load_u64(x + 8 * w);
                for (int c = 0; c < 8; c++) differ[c] += (uint32_t)ob_popcount(word ^ ob_load_u64(line + 8 * c));
            }
            for (int c = 0; c < 8; c++) y[c] = (int32_t)((uint32_t)job->k - 2 * differ[c]);
            ob_store_scalar(job, row, channel, y);
        }
    ob_clear_tail(job, part);
}
