/* conv2d_mma.cu: convolution as an implicit product by mma.sync, for sm_75 on: the form is the architecture's
 * (mma.cuh).
 *
 * A block of four warps computes 128 places x 128 channels of one group, k through a ring of STAGES tiles of 64 bytes;
 * each copy looks up its tap (conv.cuh). The AND form counts the bits of x while they are in shared memory.
 * Macros: OB_OPERAND, OB_FORM, OB_OUTPUT, OB_STAGES (2 or more), OB_ALIGN (16, 8, 4 or 1: what the taps of a group
 * start at a multiple of; 8 or 16 for bits). Rows of weights start at multiples of 16. */
#define OB_WHOLE_SUMS
#include "conv.cuh"
#include "mma.cuh"

enum {
    TILE = 128,
    K_BYTES = 64,
    STAGES = OB_STAGES,
    THREADS = 128,
    LOADS = TILE * 4 / THREADS, /* chunks of 16 bytes that a thread copies, in rows THREADS / 4 apart */
    STAGE_BYTES = 2 * TILE * K_BYTES,
    PLACES = STAGES * STAGE_BYTES, /* behind the ring: registers are scarce */
    SHARED_BYTES = PLACES + TILE * 16,
};

/* This thread's chunks of x: one place in k, LOADS rows. */
OB_DEVICE void load_patches(const ConvArgs &args, u8 *tile, const Place *places, u32 byte0) {
    u32 chunk = threadIdx.x % 4, row = threadIdx.x / 4;
#pragma unroll
    for (u32 i = 0; i < 16; i += OB_ALIGN) {
        u32 byte = byte0 + chunk * 16 + i;
        Tap tap = tap_of(args, byte);
#pragma unroll
        for (u32 j = 0; j < LOADS; ++j) {
            const u8 *from = byte < args.dense.k_bytes ? tap_at(args, places[row + j * (THREADS / 4)], tap) : 0;
            u8 *to = tile + ob_swizzle_64(row + j * (THREADS / 4), chunk) + i;
#if OB_ALIGN >= 4
            copy_async<OB_ALIGN>(to, from ? from : (const u8 *)args.dense.x, from ? OB_ALIGN : 0);
#else
            *to = from ? *from : 0;
#endif
        }
    }
}

OB_DEVICE void load_weights(const ConvArgs &args, u8 *tile, const u8 *rows, u32 column0, u32 byte0) {
    u32 chunk = threadIdx.x % 4, byte = byte0 + chunk * 16;
#pragma unroll
    for (u32 j = 0; j < LOADS; ++j) {
        u32 row = threadIdx.x / 4 + j * (THREADS / 4);
        bool inside = column0 + row < args.dense.n && byte < args.dense.weight_stride;
        copy_async<16>(tile + ob_swizzle_64(row, chunk),
                       rows + (inside ? (u64)(column0 + row) * args.dense.weight_stride + byte : 0), inside ? 16 : 0);
    }
}

/* Bits of one row of the tile of x. */
OB_DEVICE int count_row(const u8 *tile, u32 row) {
    int ones = 0;
#pragma unroll
    for (u32 chunk = 0; chunk < 4; ++chunk) {
        const u64 *words = (const u64 *)(tile + ob_swizzle_64(row, chunk));
        ones += __popcll(words[0]) + __popcll(words[1]);
    }
    return ones;
}

extern "C" __global__ void __launch_bounds__(THREADS) onebit_conv2d_mma(const ConvArgs args) {
    OB_SHARED(memory);
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, tile_m, tile_n;
    u32 tiles = args.dense.tiles_m * args.dense.tiles_n, group = blockIdx.x / tiles;
    ob_tile_at(blockIdx.x % tiles, args.dense.tiles_m, args.dense.tiles_n, args.dense.band, &tile_m, &tile_n);
    u32 row0 = tile_m * TILE, column0 = tile_n * TILE, blocks = (args.dense.k_bytes + K_BYTES - 1) / K_BYTES;
    const u8 *weights = (const u8 *)args.dense.weights + (u64)group * args.dense.n * args.dense.weight_stride;
    Place *places = (Place *)(memory + PLACES);
    places[threadIdx.x] = place_of(args, row0 + threadIdx.x, group);
    __syncthreads();
    int acc[4][8][4] = {}, ones = 0;
#pragma unroll 1
    for (u32 step = 0; step < blocks + STAGES - 1; ++step) {
        if (step >= STAGES - 1) {
            copy_async_wait<STAGES - 2>();
            __syncthreads(); /* this tile has arrived, and everybody is done with the tile before */
        }
        if (step < blocks) {
            u8 *stage = memory + step % STAGES * STAGE_BYTES;
            load_patches(args, stage, places, step * K_BYTES);
            load_weights(args, stage + TILE * K_BYTES, weights, column0, step * K_BYTES);
        }
        copy_async_commit(); /* an empty group too: the count of groups is the clock of the ring */
        if (step < STAGES - 1) continue;
        const u8 *stage = memory + (step - (STAGES - 1)) % STAGES * STAGE_BYTES;
        if (OB_FORM == OB_FORM_AND) ones += count_row(stage, threadIdx.x);
        multiply_tiles(stage, stage + TILE * K_BYTES, acc, warp, lane);
    }
    copy_async_wait<0>();
    __syncthreads();
    DenseArgs dense = of_group(args, group);
    int *bounds = (int *)memory, *row_terms = bounds + TILE + TILE / 32, *inside = row_terms + 2 * TILE;
    u32 *classes = (u32 *)row_terms + TILE, half = warp % 2, first = warp / 2 * 64; /* of the columns, of the rows */
    const int *terms = args.terms + group * dense.n + column0;
    row_terms[threadIdx.x] = -2 * ones;
    classes[threadIdx.x] = class_of(args, row0 + threadIdx.x);
    inside[threadIdx.x] = terms[threadIdx.x];
#if OB_OUTPUT == OB_OUTPUT_BITS
    fill_bounds<TILE, THREADS>(dense, bounds, column0, threadIdx.x);
#endif
    __syncthreads();
    const int none[2] = {0, 0};
    u32 column = half * 64 + 2 * (lane & 3);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
        u32 row = first + i * 16 + lane / 4, rows[2] = {row0 + row, row0 + row + 8};
        whole_sums<64>(args, &acc[i][0][0], 0, row_terms[row], classes[row], inside + column, terms + column);
        whole_sums<64>(args, &acc[i][0][0], 1, row_terms[row + 8], classes[row + 8], inside + column, terms + column);
        emit_strip<64>(dense, &acc[i][0][0], bounds + half * 64, (const u32 *)(bounds + TILE) + half * 2, none, rows,
                       column0 + half * 64, lane);
    }
}
