/* product.h: a part of a product of bits, by tiles. dense and conv2d differ only in where the words of a row stand. */
#ifndef ONEBIT_AMX_PRODUCT_H
#define ONEBIT_AMX_PRODUCT_H

#include "../kernels.h"

enum { OB_BLOCK = 32 }; /* rows and channels of a block: two tiles each way */

/* Up to OB_BLOCK rows: where each starts, and the base of its channel 0 (of conv2d; NULL: every base is k). */
typedef struct ob_block_rows {
    const unsigned char *x[OB_BLOCK];
    const int32_t *base[OB_BLOCK];
} ob_block_rows;

typedef struct ob_amx_product ob_amx_product;
struct ob_amx_product {
    const ob_dense_job *job;
    const void *owner;
    /* Fills rows [row, row + count) of the output; row - part->row is a multiple of OB_BLOCK. */
    void (*locate)(const ob_amx_product *product, int64_t row, int64_t count, ob_block_rows *rows);
    const int64_t *steps;   /* where word w of a row stands, in bytes from its start; NULL: at 8 * w */
    int64_t channel_offset; /* bytes from a row's start to what these channels read */
};

void ob_amx_multiply(const ob_amx_product *product, const ob_dense_part *part);

#endif
