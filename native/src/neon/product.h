/* product.h: a product of bits by popcounts of 128 bits. */
#ifndef ONEBIT_NEON_PRODUCT_H
#define ONEBIT_NEON_PRODUCT_H

#include "../rows_of_words.h"

ob_rows_product ob_product_neon;

#endif
