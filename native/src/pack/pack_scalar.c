/* pack_scalar.c: bit i of a row = x[i] < 0, so 0, -0.0 and NaN become +1 (bit 0). The oracle of the other kernels. */
#include "../kernels.h"

void ob_pack_scalar(const float *x, int64_t rows, int64_t k, uint64_t *words) {
    for (int64_t row = 0; row < rows; row++, x += k)
        for (int64_t i = 0; i < k; i += 64) {
            uint64_t word = 0;
            for (int64_t b = 0; b < 64 && i + b < k; b++) word |= (uint64_t)(x[i + b] < 0) << b;
            *words++ = word;
        }
}
