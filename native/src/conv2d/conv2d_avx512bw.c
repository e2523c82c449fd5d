/* conv2d_avx512bw.c: y = base - 2 * popcount(x ^ w) without a popcount instruction.
 *
 * pair_table/product_avx512bw.c multiplies windows where they lie in the picture. Limit and bottleneck are its: 192 MAC
 * per operation. Groups that are not whole words, or whose outputs are no multiple of 16, and windows too long for
 * 16-bit counts take the AVX2 kernel. */
#if defined(__x86_64__)
#include "../epilogue/epilogue_scalar.h"
#include "../pair_table/windows.h"

void ob_conv2d_avx512bw(const ob_conv2d_job *job, const ob_dense_part *part) {
    if (!ob_pair_fits(job)) {
        ob_conv2d_avx2(job, part);
        return;
    }
    ob_pair_conv2d(job, part, &ob_pair_avx512bw);
    ob_clear_tail(&job->dense, part);
}

#endif
