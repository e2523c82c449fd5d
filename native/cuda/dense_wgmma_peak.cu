/* dense_wgmma_peak.cu: how fast the tensor core is when nothing has to be fetched: the products of dense_wgmma.cu,
 * over and over on one tile in shared memory. Two warpgroups, 64 x 256 each. The ceiling that a benchmark states its
 * fractions of. */
#include "device.cuh"
#include "hopper.cuh"
#include "wgmma.cuh"

enum { THREADS = 256, X_BYTES = 128 * 128, SHARED_BYTES = X_BYTES + 256 * 128 };

extern "C" __global__ void __launch_bounds__(THREADS, 1) onebit_peak(int *sink, u32 blocks) {
    OB_SHARED_TILES(memory);
    for (u32 i = threadIdx.x; i < SHARED_BYTES / 4; i += THREADS) ((u32 *)memory)[i] = i * 2654435761u;
    stores_fence();
    __syncthreads();
    u32 x = shared_address(memory) + threadIdx.x / 128 * 64 * 128, w = shared_address(memory) + X_BYTES;
    int acc[128];
    for (u32 block = 0; block < blocks; ++block) {
        product_fence();
#pragma unroll
        for (u32 step = 0; step < 4; ++step)
            Product<256>::issue(acc, ob_wgmma_descriptor(x + 32 * step, 128), ob_wgmma_descriptor(w + 32 * step, 128),
                                block | step);
        product_commit();
        product_wait<1>();
    }
    product_wait<0>();
    product_results(acc);
    int sum = 0;
#pragma unroll
    for (int i = 0; i < 128; ++i) sum ^= acc[i];
    sink[blockIdx.x * THREADS + threadIdx.x] = sum;
}
