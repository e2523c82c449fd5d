/* conv2d_popc.cu: convolution of bits by population counts on the CUDA cores: few places, and any architecture.
 *
 * A block of eight warps computes 4 places x 64 channels of one group, a warp 4 x 8 with its lanes along k, as
 * dense_popc.cu does. Macro: OB_OUTPUT. */
#define OB_OPERAND 1
#define OB_FORM 2
#define OB_WHOLE_SUMS
#include "conv.cuh"
#include "popc.cuh"

enum { THREADS = 256, ROWS = 4, COLUMNS = 8, BLOCK_COLUMNS = 64, SHARED_BYTES = 0 };

extern "C" __global__ void __launch_bounds__(THREADS) onebit_conv2d_popc(const ConvArgs args) {
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, tiles = args.dense.tiles_m * args.dense.tiles_n;
    u32 group = blockIdx.x / tiles, tile = blockIdx.x % tiles, n = args.dense.n;
    u32 row0 = tile / args.dense.tiles_n * ROWS, column0 = tile % args.dense.tiles_n * BLOCK_COLUMNS + warp * COLUMNS;
    const u8 *weights = (const u8 *)args.dense.weights + (u64)group * n * args.dense.weight_stride;
    Place places[ROWS];
#pragma unroll
    for (u32 i = 0; i < ROWS; ++i) places[i] = place_of(args, row0 + i, group);
    u32 sums[ROWS * COLUMNS] = {};
    for (u32 byte = lane * 8; byte < args.dense.k_bytes; byte += 32 * 8) {
        Tap tap = tap_of(args, byte);
        u64 a[ROWS], b[COLUMNS];
#pragma unroll
        for (u32 i = 0; i < ROWS; ++i) {
            const u8 *from = tap_at(args, places[i], tap);
            a[i] = from ? *(const u64 *)from : 0;
        }
#pragma unroll
        for (u32 j = 0; j < COLUMNS; ++j)
            b[j] = column0 + j < n ? *(const u64 *)(weights + (u64)(column0 + j) * args.dense.weight_stride + byte) : 0;
#pragma unroll
        for (u32 i = 0; i < ROWS * COLUMNS; ++i) sums[i] += __popcll(a[i / COLUMNS] ^ b[i % COLUMNS]);
    }
    add_lanes(sums, lane);
    u32 row = row0 + lane / COLUMNS, column = column0 + lane % COLUMNS;
    DenseArgs dense = of_group(args, group);
    int y = column < n ? args.terms[class_of(args, row) + group * n + column] - 2 * (int)sums[0] : 0;
#if OB_OUTPUT == OB_OUTPUT_BITS
    ColumnBound bound = column_bound(dense, column);
    u32 ballot = __ballot_sync(0xFFFFFFFFu, (y + bound.bound < 0 ? 1u : 0u) ^ bound.flip);
    if (lane % COLUMNS == 0 && row < dense.m && column0 < (n + 63) / 64 * 64) /* eight bits are a byte of its word */
        ((u8 *)dense.out)[(u64)row * ((dense.out_columns + 63) / 64 * 8) + column0 / 8] = (u8)(ballot >> lane);
#else
    if (row < dense.m && column < n)
        ((u32 *)dense.out)[(u64)row * dense.out_columns + column] = finish(dense, y, column);
#endif
}
