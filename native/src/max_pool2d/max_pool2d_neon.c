/* max_pool2d_neon.c: m ^ AND(m ^ x) (see max_pool2d_scalar.c), 2 words of a pixel at a time.
 *
 * Cost of 128 channels of one place of a window: a load, xor, and. An odd word goes alone. Limit: the loads, or the
 * memory. Built and checked under emulation; its speed was not measured. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "pool_window.h"

OB_INLINE uint8x16_t load(const unsigned char *from, const int words) {
    return words == 2 ? vld1q_u8(from) : vcombine_u8(vld1_u8(from), vdup_n_u8(0));
}

/* 1 or 2 words of all output columns of one row. */
OB_INLINE void row_of_words(const ob_max_pool2d_job *job, int64_t row, int64_t word, const int words) {
    const int64_t pixel_bytes = job->words * 8, line_bytes = job->width * pixel_bytes;
    unsigned char *out = job->out + row * job->out_width * pixel_bytes + 8 * word;
    const uint8x16_t minimum_u8x16 = job->minimum ? load(job->minimum + 8 * word, words) : vdupq_n_u8(0);
    for (int64_t ox = 0; ox < job->out_width; ox++, out += pixel_bytes) {
        const ob_pool_window window = ob_pool_window_at(job, row, ox);
        uint8x16_t all_u8x16 = vdupq_n_u8(0xff);
        for (int64_t i = 0; i < window.rows; i++) {
            const unsigned char *x = window.x + i * line_bytes + 8 * word;
            for (int64_t j = 0; j < window.columns; j++, x += pixel_bytes)
                all_u8x16 = vandq_u8(all_u8x16, veorq_u8(load(x, words), minimum_u8x16));
        }
        all_u8x16 = veorq_u8(all_u8x16, minimum_u8x16);
        if (words == 2)
            vst1q_u8(out, all_u8x16);
        else
            vst1_u8(out, vget_low_u8(all_u8x16));
    }
}

void ob_max_pool2d_neon(const ob_max_pool2d_job *job, int64_t row, int64_t rows) {
    for (; rows > 0; rows--, row++) {
        int64_t word = 0;
        for (; word + 2 <= job->words; word += 2) row_of_words(job, row, word, 2);
        if (word < job->words) row_of_words(job, row, word, 1);
    }
}

#endif
