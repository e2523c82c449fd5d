/* dense_u8_avx512bw.c: dense_u8_avx512.h, whose four products per lane are three instructions. */
#if defined(__x86_64__)
#include "../dot_avx512bw.h"

#define OB_DOT_KERNEL ob_dense_u8_avx512bw
#define OB_DOT ob_dot_avx512bw
#define OB_TARGET_DOT OB_TARGET_AVX512BW
#include "dense_u8_avx512.h"
#endif
