/* gradient_x_avx512vpopcnt.c: gradient_x_avx512.h, whose four products per lane are one instruction (VNNI). */
#if defined(__x86_64__)
#define OB_GRADIENT_KERNEL ob_gradient_x_avx512vpopcnt
#define OB_VNNI
#define OB_TARGET_PRODUCT OB_TARGET_AVX512VPOPCNT
#include "gradient_x_avx512.h"
#endif
