/* conv2d_scalar.c: y = base - 2 * popcount((x ^ w) & mask), tap by tap, on any processor, in portable C. The oracle of
 * the other kernels: every group goes the same way. Limit: the popcount in shifts and masks, 13 operations for 64 MAC.
 */
#include "../epilogue/epilogue_scalar.h"
#include "../popcount_scalar.h"
#include "lanes.h"
#include "window.h"

/* Places of 8 channels in which the window and the weights differ; slot by slot, so that a mask serves all taps. */
static void count(const ob_conv2d_job *job, const unsigned char *x, const unsigned char *line, const ob_lane lane[8],
                  uint32_t differ[8]) {
    for (int64_t slot = 0; slot < job->slots; slot++)
        for (int c = 0; c < 8; c++) {
            const uint64_t mask = ob_lane_mask(&lane[c], slot);
            const unsigned char *w = line + 64 * slot + 8 * c, *from = x + ob_lane_bytes(job, &lane[c], slot);
            for (int64_t i = 0; i < job->taps_y; i++)
                for (int64_t j = 0; j < job->taps_x; j++, w += 64 * job->slots) {
                    const uint64_t word = ob_load_u64(from + i * job->tap_y + j * job->tap_x);
                    differ[c] += (uint32_t)ob_popcount((word ^ ob_load_u64(w)) & mask);
                }
        }
}

void ob_conv2d_scalar(const ob_conv2d_job *job, const ob_dense_part *part) {
    for (int64_t channel = part->channel; channel < part->channel + part->channels; channel += 8) {
        ob_lane lane[8];
        for (int c = 0; c < 8; c++) lane[c] = ob_lane_of(job, channel + c);
        ob_window window = ob_window_at(job, part->row);
        for (int64_t row = part->row; row < part->row + part->rows; row++, ob_window_next(job, &window)) {
            const int32_t *base = ob_window_base(job, &window) + channel;
            uint32_t differ[8] = {0};
            int32_t y[8];
            count(job, window.x, ob_group(&job->dense, channel), lane, differ);
            for (int c = 0; c < 8; c++) y[c] = (int32_t)((uint32_t)base[c] - 2 * differ[c]);
            ob_store_scalar(&job->dense, row, channel, y);
        }
    }
    ob_clear_tail(&job->dense, part);
}
