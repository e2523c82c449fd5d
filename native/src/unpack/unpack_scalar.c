/* unpack_scalar.c: x[i] = -1 if bit i of the row is 1, else +1. The oracle of the other kernels. */
#include "../kernels.h"

void ob_unpack_scalar(const uint64_t *words, int64_t rows, int64_t k, float *x) {
    const int64_t row_words = (k + 63) / 64;
    for (int64_t row = 0; row < rows; row++, words += row_words)
        for (int64_t i = 0; i < k; i++) *x++ = words[i / 64] >> i % 64 & 1 ? -1.0f : 1.0f;
}
