/* product.h: a product of bits by popcounts of 512 bits. */
#ifndef ONEBIT_AVX512VPOPCNT_PRODUCT_H
#define ONEBIT_AVX512VPOPCNT_PRODUCT_H

#include "../rows_of_words.h"

ob_rows_product ob_product_avx512vpopcnt;

#endif
