/* gradient_maxima_avx512bw.c: gradient_maxima.h, compiled for it. */
#if defined(__x86_64__)
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)
#include "gradient_maxima.h"

void ob_gradient_maxima_avx512bw(const float *g, int64_t rows, int64_t n, int32_t *largest, int32_t *largest_of) {
    ob_gradient_maxima(g, rows, n, largest, largest_of);
}

OB_TARGET_END
#endif
