/* dense_mma.cu: y = x w' by mma.sync, for sm_75 on: the form of the product is the architecture's (mma.cuh).
 *
 * A block of four warps computes 128 x 128, a warp 64 x 64; k goes through a ring of STAGES tiles of 64 bytes, copied
 * asynchronously from sm_80 on. Shared memory feeds a product step with 4 KiB for 64 x 64 x 256 bits.
 * Macros: OB_OPERAND, OB_FORM, OB_OUTPUT, OB_STAGES (2 or more), OB_ALIGN (16, 8, 4 or 1: what rows of x are a multiple
 * of), OB_SPLIT (0 or 1: int32 sums of parts of k, each by blocks of its own). */
#include "device.cuh"
#include "epilogue.cuh"
#include "mma.cuh"

enum {
    TILE = 128,
    K_BYTES = 64,
    STAGES = OB_STAGES,
    THREADS = 128,
    STAGE_BYTES = 2 * TILE * K_BYTES,
    SHARED_BYTES = STAGES * STAGE_BYTES,
    WEIGHT_ALIGN = OB_OPERAND == OB_OPERAND_BITS ? OB_ALIGN : 16, /* byte weights have padded rows */
};

/* 16 bytes of a row, the first `valid` of them from memory and the rest 0. */
template <int ALIGN> OB_DEVICE void copy_chunk(u8 *to, const u8 *from, int valid) {
    valid = valid < 0 ? 0 : valid > 16 ? 16 : valid;
    if (ALIGN >= 4) {
        enum { PIECE = ALIGN >= 4 ? ALIGN : 4 };
#pragma unroll
        for (int i = 0; i < 16; i += PIECE) {
            int left = valid - i;
            copy_async<PIECE>(to + i, from + i, left < 0 ? 0 : left > PIECE ? PIECE : left);
        }
    } else {
#pragma unroll
        for (int i = 0; i < 16; ++i) to[i] = i < valid ? from[i] : 0;
    }
}

template <int ALIGN>
OB_DEVICE void load_tile(u8 *tile, const void *rows, u32 count, u32 stride, u32 row0, u32 byte0, u32 k_bytes) {
#pragma unroll
    for (u32 i = threadIdx.x; i < TILE * 4; i += THREADS) {
        u32 row = i / 4, byte = byte0 + i % 4 * 16;
        bool inside = row0 + row < count && byte < k_bytes;
        const u8 *from = (const u8 *)rows + (inside ? (u64)(row0 + row) * stride + byte : 0);
        copy_chunk<ALIGN>(tile + ob_swizzle_64(row, i % 4), from, inside ? (int)(k_bytes - byte) : 0);
    }
}

OB_DEVICE void load_stage(const DenseArgs &args, u8 *stage, u32 row0, u32 column0, u32 block, u32 block0, u32 blocks) {
    if (block < blocks) {
        u32 byte0 = (block0 + block) * K_BYTES;
        load_tile<OB_ALIGN>(stage, args.x, args.m, args.x_stride, row0, byte0, args.k_bytes);
        load_tile<WEIGHT_ALIGN>(stage + TILE * K_BYTES, args.weights, args.n, args.weight_stride, column0, byte0,
                                args.k_bytes);
    }
    copy_async_commit(); /* an empty group too: the count of groups is the clock of the ring */
}

extern "C" __global__ void __launch_bounds__(THREADS) onebit_dense_mma(const DenseArgs args) {
    OB_SHARED(memory);
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, tile_m, tile_n;
    u32 tiles = args.tiles_m * args.tiles_n, part = OB_SPLIT ? blockIdx.x / tiles : 0;
    ob_tile_at(OB_SPLIT ? blockIdx.x % tiles : blockIdx.x, args.tiles_m, args.tiles_n, args.band, &tile_m, &tile_n);
    u32 row0 = tile_m * TILE, column0 = tile_n * TILE, blocks = (args.k_bytes + K_BYTES - 1) / K_BYTES;
    if (OB_SPLIT) blocks = (blocks + args.parts - 1) / args.parts; /* all parts alike: past the end are zeros */
    u32 block0 = part * blocks;
    int acc[4][8][4] = {};
    for (u32 s = 0; s < STAGES - 1; ++s) load_stage(args, memory + s * STAGE_BYTES, row0, column0, s, block0, blocks);
    for (u32 block = 0; block < blocks; ++block) {
        copy_async_wait<STAGES - 2>();
        __syncthreads(); /* this block's tile has arrived, and everybody is done with the tile before */
        u32 next = block + STAGES - 1;
        load_stage(args, memory + next % STAGES * STAGE_BYTES, row0, column0, next, block0, blocks);
        const u8 *stage = memory + block % STAGES * STAGE_BYTES;
        multiply_tiles(stage, stage + TILE * K_BYTES, acc, warp, lane);
    }
    copy_async_wait<0>();
    __syncthreads();
    int *bounds = (int *)memory;
#if OB_OUTPUT == OB_OUTPUT_BITS
    fill_bounds<TILE, THREADS>(args, bounds, column0, threadIdx.x);
    __syncthreads();
#endif
    u32 half = warp % 2; /* of the columns */
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
        u32 row = row0 + warp / 2 * 64 + i * 16 + lane / 4, rows[2] = {row, row + 8};
        int terms[2] = {row_term(args, row, part), row_term(args, row + 8, part)};
        emit_strip<64>(args, &acc[i][0][0], bounds + half * 64, (const u32 *)(bounds + TILE) + half * 2, terms, rows,
                       column0 + half * 64, lane, part);
    }
}
