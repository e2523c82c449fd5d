/* rounding.h: one value of the gradient as a whole number, as onebit.h defines it. The same on every processor. */
#ifndef ONEBIT_SIGN_GRADIENTS_ROUNDING_H
#define ONEBIT_SIGN_GRADIENTS_ROUNDING_H

#include "../kernels.h"
#include "../uniform.h"

/* rint(v): adding 1.5 * 2^23 leaves no bits behind the point. For |v| < 2^22. */
OB_INLINE int32_t ob_nearest(float v) {
    const float sum = v + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits - 0x4b400000;
}

/* floor(v + u), at most 127; NaN and values that no product can have give something. */
OB_INLINE int32_t ob_stochastic(float v, float u) {
    const float sum = v + u;
    const float bounded = sum < 127.0f ? (sum > -128.0f ? sum : -128.0f) : 127.0f;
    const int32_t cut = (int32_t)bounded;
    return cut - ((float)cut > bounded);
}

#endif
