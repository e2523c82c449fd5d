/* paper.cu: the kernels of the paper's figure (arXiv:1602.02830, section 3), the historical baseline: a tiled float
 * product without further optimisation, and the same loop over 32-bit words with xnor and popcount. Any shape. */
#include "device.cuh"

enum { SIDE = 16, SHARED_BYTES = 2 * SIDE * SIDE * 4 };

/* c (m, n) = a (m, k) * b (k, n). */
extern "C" __global__ void __launch_bounds__(SIDE *SIDE)
    onebit_paper_gemm(const float *a, const float *b, float *c, u32 m, u32 n, u32 k) {
    OB_SHARED(memory);
    float (*tile_a)[SIDE] = (float (*)[SIDE])memory, (*tile_b)[SIDE] = tile_a + SIDE;
    u32 row = blockIdx.y * SIDE + threadIdx.y, column = blockIdx.x * SIDE + threadIdx.x;
    float sum = 0;
    for (u32 k0 = 0; k0 < k; k0 += SIDE) {
        u32 ka = k0 + threadIdx.x, kb = k0 + threadIdx.y;
        tile_a[threadIdx.y][threadIdx.x] = row < m && ka < k ? a[(u64)row * k + ka] : 0;
        tile_b[threadIdx.y][threadIdx.x] = kb < k && column < n ? b[(u64)kb * n + column] : 0;
        __syncthreads();
        for (u32 i = 0; i < SIDE; ++i) sum += tile_a[threadIdx.y][i] * tile_b[i][threadIdx.x];
        __syncthreads();
    }
    if (row < m && column < n) c[(u64)row * n + column] = sum;
}

/* words (rows, ceil(k / 32)) of x (rows, k), bit 1 for a negative number: one thread makes one word. */
extern "C" __global__ void __launch_bounds__(256)
    onebit_paper_concatenate(const float *x, u32 *words, u32 rows, u32 k) {
    u32 row_words = (k + 31) / 32, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows * row_words) return;
    u32 column0 = i % row_words * 32, word = 0;
    for (u32 bit = 0; bit < 32 && column0 + bit < k; ++bit)
        word |= (x[(u64)(i / row_words) * k + column0 + bit] < 0 ? 1u : 0u) << bit;
    words[i] = word;
}

/* c (m, n) = k - 2 popcount(a xor b), a (m, words), b (words, n): the columns' words lie side by side. */
extern "C" __global__ void __launch_bounds__(SIDE *SIDE)
    onebit_paper_xnor_gemm(const u32 *a, const u32 *b, float *c, u32 m, u32 n, u32 words, u32 k) {
    OB_SHARED(memory);
    u32(*tile_a)[SIDE] = (u32(*)[SIDE])memory, (*tile_b)[SIDE] = tile_a + SIDE;
    u32 row = blockIdx.y * SIDE + threadIdx.y, column = blockIdx.x * SIDE + threadIdx.x, sum = 0;
    for (u32 k0 = 0; k0 < words; k0 += SIDE) {
        u32 ka = k0 + threadIdx.x, kb = k0 + threadIdx.y;
        tile_a[threadIdx.y][threadIdx.x] = row < m && ka < words ? a[(u64)row * words + ka] : 0;
        tile_b[threadIdx.y][threadIdx.x] = kb < words && column < n ? b[(u64)kb * n + column] : 0;
        __syncthreads();
        for (u32 i = 0; i < SIDE; ++i) sum += __popc(tile_a[threadIdx.y][i] ^ tile_b[i][threadIdx.x]);
        __syncthreads();
    }
    if (row < m && column < n) c[(u64)row * n + column] = (float)((int)k - 2 * (int)sum);
}
