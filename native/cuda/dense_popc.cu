/* dense_popc.cu: y = x w' by population counts on the CUDA cores: few rows, and any architecture.
 *
 * A block of eight warps computes 4 rows x 64 columns, a warp 4 x 8 with its lanes along k. Bound by 16 counts per
 * cycle. */
#define OB_OPERAND 1
#define OB_FORM 2
#include "device.cuh"
#include "epilogue.cuh"
#include "popc.cuh"

enum { THREADS = 256, ROWS = 4, COLUMNS = 8, BLOCK_COLUMNS = 64, SHARED_BYTES = 0 };

extern "C" __global__ void __launch_bounds__(THREADS) onebit_dense_popc(const DenseArgs args) {
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 row0 = blockIdx.x / args.tiles_n * ROWS, column0 = blockIdx.x % args.tiles_n * BLOCK_COLUMNS + warp * COLUMNS;
    u32 words = args.k_bytes / 8;
    const u64 *x = (const u64 *)args.x, *w = (const u64 *)args.weights;
    u32 sums[ROWS * COLUMNS] = {};
    for (u32 word = lane; word < words; word += 32) {
        u64 a[ROWS], b[COLUMNS];
#pragma unroll
        for (u32 i = 0; i < ROWS; ++i) a[i] = row0 + i < args.m ? x[(u64)(row0 + i) * words + word] : 0;
#pragma unroll
        for (u32 j = 0; j < COLUMNS; ++j) b[j] = column0 + j < args.n ? w[(u64)(column0 + j) * words + word] : 0;
#pragma unroll
        for (u32 i = 0; i < ROWS * COLUMNS; ++i) sums[i] += __popcll(a[i / COLUMNS] ^ b[i % COLUMNS]);
    }
    add_lanes(sums, lane);
    u32 row = row0 + lane / COLUMNS, column = column0 + lane % COLUMNS;
#if OB_OUTPUT == OB_OUTPUT_BITS
    ColumnBound bound = column_bound(args, column);
    u32 bit = (OB_ALPHA * (int)sums[0] + bound.bound < 0 ? 1u : 0u) ^ bound.flip;
    u32 ballot = __ballot_sync(0xFFFFFFFFu, bit);
    if (lane % COLUMNS == 0 && row < args.m) /* eight bits of a row are a byte of its word */
        ((u8 *)args.out)[(u64)row * ((args.n + 63) / 64 * 8) + column0 / 8] = (u8)(ballot >> lane);
#else
    if (row < args.m && column < args.n)
        ((u32 *)args.out)[(u64)row * args.n + column] =
            finish(args, OB_ALPHA * (int)sums[0] + column_term(args, column), column);
#endif
}
