/* max_pool2d_scalar.c: the AND of the words of a window, on any processor. The oracle of the other kernels.
 *
 * OR(x) = ~AND(~x): with m the word of channels that take the minimum, the result is m ^ AND(m ^ x).
 * Limit: one load, one xor and one and per word of the window. */
#include "pool_window.h"

void ob_max_pool2d_scalar(const ob_max_pool2d_job *job, int64_t row, int64_t rows) {
    const int64_t pixel_bytes = job->words * 8;
    unsigned char *out = job->out + row * job->out_width * pixel_bytes;
    for (; rows > 0; rows--, row++)
        for (int64_t ox = 0; ox < job->out_width; ox++, out += pixel_bytes) {
            const ob_pool_window window = ob_pool_window_at(job, row, ox);
            for (int64_t w = 0; w < job->words; w++) {
                const uint64_t minimum = job->minimum ? ob_load_u64(job->minimum + 8 * w) : 0;
                uint64_t all = ~(uint64_t)0;
                for (int64_t i = 0; i < window.rows; i++)
                    for (int64_t j = 0; j < window.columns; j++)
                        all &= minimum ^ ob_load_u64(window.x + (i * job->width + j) * pixel_bytes + 8 * w);
                all ^= minimum;
                memcpy(out + 8 * w, &all, sizeof all);
            }
        }
}
