/* gradient_maxima_scalar.c: gradient_maxima.h for any processor. */
#include "gradient_maxima.h"

void ob_gradient_maxima_scalar(const float *g, int64_t rows, int64_t n, int32_t *largest, int32_t *largest_of) {
    ob_gradient_maxima(g, rows, n, largest, largest_of);
}
