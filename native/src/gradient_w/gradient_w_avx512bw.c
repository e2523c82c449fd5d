/* gradient_w_avx512bw.c: gradient_w_avx512.h without VNNI. */
#if defined(__x86_64__)
#define OB_GRADIENT_KERNEL ob_gradient_w_avx512bw
#define OB_TARGET_PRODUCT OB_TARGET_AVX512BW
#include "gradient_w_avx512.h"
#endif
