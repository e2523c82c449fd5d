/* plain_matmul.c: the float product of somebody who never tuned one, the baseline of the kernel figure.
 *
 * c[i][j] = sum over k of a[i][k] * b[k][j]. As in the GPU kernel that arXiv:1602.02830 calls its unoptimised baseline,
 * tiles of 16 x 16 are copied to fast memory and every output sums its terms one after the other. The rest is up to the
 * compiler at -O3. Bottleneck: the copies, since every tile of b is fetched again for every 16 rows of a. */
#include "../threads.h"
#include "onebit_bench.h"

enum { TILE = 16 };

typedef struct product {
    int64_t m, n, k;
    const float *a, *b;
    float *c;
} product;

/* to[i][j] = from[row + i][column + j] inside of the matrix, 0 outside of it. */
static void load(float to[TILE][TILE], const float *from, int64_t rows, int64_t columns, int64_t row, int64_t column) {
    for (int64_t i = 0; i < TILE; i++)
        for (int64_t j = 0; j < TILE; j++)
            to[i][j] = row + i < rows && column + j < columns ? from[(row + i) * columns + column + j] : 0;
}

static void tile(const product *p, int64_t row, int64_t column) {
    float a[TILE][TILE], b[TILE][TILE], c[TILE][TILE] = {{0}};
    for (int64_t term = 0; term < p->k; term += TILE) {
        load(a, p->a, p->m, p->k, row, term);
        load(b, p->b, p->k, p->n, term, column);
        for (int i = 0; i < TILE; i++)
            for (int j = 0; j < TILE; j++)
                for (int k = 0; k < TILE; k++) c[i][j] += a[i][k] * b[k][j];
    }
    for (int64_t i = 0; i < TILE && row + i < p->m; i++)
        for (int64_t j = 0; j < TILE && column + j < p->n; j++) p->c[(row + i) * p->n + column + j] = c[i][j];
}

static void row_of_tiles(void *data, int64_t index) {
    const product *p = data;
    for (int64_t column = 0; column < p->n; column += TILE) tile(p, index * TILE, column);
}

ob_status ob_plain_matmul(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
                          const ob_executor *executor) {
    const ob_status status = ob_executor_check(executor);
    if (status) return status;
    if (!a || !b || !c) return OB_ERROR_NULL;
    if (m < 0 || n < 1 || k < 1) return OB_ERROR_SIZE;
    product p = {m, n, k, a, b, c};
    ob_run(executor, (m + TILE - 1) / TILE, row_of_tiles, &p);
    return OB_OK;
}
