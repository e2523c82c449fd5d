/* lanes.h: for groups that are not whole words: which bits of a pixel's words belong to an output channel. */
#ifndef ONEBIT_LANES_H
#define ONEBIT_LANES_H

#include "../kernels.h"

/* The group of one output channel: its channels are the bits [low, high) of a pixel, counted from word `first`. */
typedef struct ob_lane {
    int64_t first, low, high;
} ob_lane;

OB_INLINE ob_lane ob_lane_of(const ob_conv2d_job *job, int64_t channel) {
    const int64_t last = job->dense.n - 1, low = (channel < last ? channel : last) / job->group_n * job->group_c;
    return (ob_lane){low / 64, low % 64, low % 64 + job->group_c};
}

/* The bits of the lane in one of its slots; 0 in a slot that its group does not touch. */
OB_INLINE uint64_t ob_lane_mask(const ob_lane *lane, int64_t slot) {
    const int64_t low = lane->low - 64 * slot, high = lane->high - 64 * slot;
    if (high <= 0) return 0;
    const uint64_t below_high = high < 64 ? ((uint64_t)1 << high) - 1 : ~(uint64_t)0;
    return low > 0 ? below_high & ~(((uint64_t)1 << low) - 1) : below_high;
}

/* Where the word of a slot stands in a pixel, in bytes; the last word in place of one that the pixel lacks. */
OB_INLINE int64_t ob_lane_bytes(const ob_conv2d_job *job, const ob_lane *lane, int64_t slot) {
    const int64_t word = lane->first + slot;
    return 8 * (word < job->pixel_words ? word : job->pixel_words - 1);
}

#endif
