/* gradient_maxima.h: the largest |g| of every channel and of all: floats without sign compare as whole numbers do.
 * Plain C that every compiler vectorises. Bottleneck: reading g. */
#include "../kernels.h"

OB_INLINE void ob_gradient_maxima(const float *g, int64_t rows, int64_t n, int32_t *largest, int32_t *largest_of) {
    int32_t all = *largest;
    for (int64_t row = 0; row < rows; row++, g += n)
        for (int64_t j = 0; j < n; j++) {
            int32_t bits;
            memcpy(&bits, g + j, sizeof bits);
            bits &= INT32_MAX;
            largest_of[j] = largest_of[j] > bits ? largest_of[j] : bits;
            all = all > bits ? all : bits;
        }
    *largest = all;
}
