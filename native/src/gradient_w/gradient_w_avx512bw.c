/* gradient_w_avx512bw.c: gradient_w_avx512.h, whose four products per lane are three instructions. */
#if defined(__x86_64__)
#include "../dot_avx512bw.h"

#define OB_GRADIENT_KERNEL ob_gradient_w_avx512bw
#define OB_DOT(sum, x, w) ob_dot_avx512bw(sum, x, w)
#define OB_TARGET_DOT OB_TARGET_AVX512BW
#include "gradient_w_avx512.h"
#endif
