/* wgmma_ring.cuh: what the Hopper kernels share: the ring of stages of 128 bytes of k between the copy engine and the
 * products, and the order in which all roles of a persistent block walk tiles and stages.
 *
 * A stage holds a tile of x, TILE_M rows, in slices of OB_SLICE bytes (128, 64 or 32, each slice all rows behind each
 * other in the swizzle of that width), then a tile of weights, TILE_N rows of 128 bytes.
 * Macros: OB_CONSUMERS (2 or 3), OB_ROWS (64 or 128 rows for one warpgroup), OB_COLUMNS (64, 128, 192, 256), OB_WIDTH
 * (columns of one instruction; divides OB_COLUMNS), OB_STAGES, OB_PINGPONG (0 or 1), OB_CLUSTER (1 or 2), OB_SLICE (128
 * unless told), OB_TABLE_MORE (ints that a kernel keeps for a tile beside its channels' bounds and flips), OB_COPIES
 * (whether a tile can be there more than once: for parts of k, or groups), OB_PRODUCER_REGISTERS (of two consumers'
 * 504; a multiple of 8 that leaves one of 16). */
#ifndef OB_WGMMA_RING_CUH
#define OB_WGMMA_RING_CUH

#include "device.cuh"
#include "epilogue.cuh"
#include "hopper.cuh"
#include "wgmma.cuh"

#ifndef OB_SLICE
#define OB_SLICE 128
#endif
#ifndef OB_TABLE_MORE
#define OB_TABLE_MORE 0
#endif
#ifndef OB_PRODUCER_REGISTERS
#define OB_PRODUCER_REGISTERS 40
#endif
#ifndef OB_COPIES
#define OB_COPIES OB_SPLIT
#endif

enum {
    CONSUMERS = OB_CONSUMERS,
    WORKERS = OB_PINGPONG ? 1 : CONSUMERS, /* warpgroups on one tile */
    ROWS = OB_ROWS,
    TILE_M = ROWS * WORKERS,
    TILE_N = OB_COLUMNS,
    WIDTH = OB_WIDTH,
    PARTS_M = ROWS / 64,
    PARTS_N = TILE_N / WIDTH,
    STAGES = OB_STAGES,
    CLUSTER = OB_CLUSTER,
    K_BYTES = 128,
    SLICE = OB_SLICE,
    SLICES = K_BYTES / SLICE,
    X_BYTES = TILE_M * K_BYTES,
    STAGE_BYTES = (TILE_M + TILE_N) * K_BYTES,
    TABLE_INTS = TILE_N + TILE_N / 32 + OB_TABLE_MORE,
    THREADS = 128 * (CONSUMERS + 1),
    SHARED_BYTES = STAGES * STAGE_BYTES + 2 * TABLE_INTS * 4 + (2 * STAGES + 4) * 8,
    PRODUCER_REGISTERS = CONSUMERS == 3 ? 32 : OB_PRODUCER_REGISTERS,
    CONSUMER_REGISTERS = CONSUMERS == 3 ? 160 : (504 - PRODUCER_REGISTERS) / 2,
};

/* This thread's warpgroup. Through a shuffle the compiler learns that all lanes agree, and keeps what follows from it in
 * uniform registers. */
OB_DEVICE u32 warpgroup() { return __shfl_sync(0xFFFFFFFFu, threadIdx.x / 128, 0); }

struct Shared {
    u8 *stages;
    int *tables; /* two: bounds, flips, and what else the kernel keeps for a tile */
    u64 *full, *empty, *table_full, *table_empty;
};

/* The tiles of this block, and the ring of stages that all roles walk in the same order: the tile of number `sequence`
 * begins where `sequence` tiles of k_blocks stages end. */
struct Walk {
    u32 sequence, index, step, tiles, count, k_blocks, stage, parity;
};
OB_DEVICE Walk walk_start(const DenseArgs &args, u32 sequence, u32 copies) {
    Walk walk;
    walk.sequence = sequence;
    walk.step = gridDim.x / CLUSTER;
    walk.index = blockIdx.x / CLUSTER + sequence * walk.step;
    walk.tiles = (args.tiles_m + CLUSTER - 1) / CLUSTER * args.tiles_n;
    walk.count = walk.tiles * copies;
    walk.k_blocks = (args.k_bytes + K_BYTES - 1) / K_BYTES;
    if (OB_SPLIT) walk.k_blocks = (walk.k_blocks + args.parts - 1) / args.parts;
    return walk;
}
OB_DEVICE void walk_next(Walk &walk, u32 tiles) {
    walk.sequence += tiles;
    walk.index += tiles * walk.step;
}
/* The tile's numbers; returns which copy of the tiles it is in. */
OB_DEVICE u32 walk_tile(const DenseArgs &args, Walk &walk, u32 *tile_m, u32 *tile_n) {
    u32 before = walk.sequence * walk.k_blocks, copy = OB_COPIES ? walk.index / walk.tiles : 0;
    ob_tile_at(walk.index - copy * walk.tiles, (args.tiles_m + CLUSTER - 1) / CLUSTER, args.tiles_n, args.band, tile_m,
               tile_n);
    walk.stage = before % STAGES;
    walk.parity = before / STAGES & 1;
    return copy;
}
OB_DEVICE void walk_stage(Walk &walk) {
    if (++walk.stage == STAGES) walk.stage = 0, walk.parity ^= 1;
}

/* This warp has read stage `stage` for the last time. */
OB_DEVICE void release(const Shared &s, u32 stage, u32 lane) {
    if (lane == 0) barrier_arrive(&s.empty[stage]);
    if (CLUSTER > 1 && lane == 1) barrier_arrive_at(&s.empty[stage], cluster_block() ^ 1);
}

typedef int Accumulators[PARTS_M][PARTS_N][WIDTH / 2];

OB_DEVICE void multiply(const Shared &s, Walk &walk, Accumulators &acc, u32 worker, u32 lane) {
    u32 before = 0;
    /* Descriptors count in 16 bytes, and no address carries out of its field: a tile's is the first one's plus a
     * distance. */
    u64 first_x = ob_wgmma_descriptor(shared_address(s.stages) + worker * ROWS * SLICE, SLICE);
    u64 first_w = ob_wgmma_descriptor(shared_address(s.stages) + X_BYTES, K_BYTES);
    for (u32 block = 0; block < walk.k_blocks; ++block, walk_stage(walk)) {
        barrier_wait(&s.full[walk.stage], walk.parity);
        u64 x = first_x + walk.stage * (STAGE_BYTES / 16), w = first_w + walk.stage * (STAGE_BYTES / 16);
        product_fence();
#pragma unroll
        for (u32 step = 0; step < 4; ++step)
#pragma unroll
            for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) {
                u32 i = part / PARTS_N, j = part % PARTS_N;
                u32 at = ob_slice_offset(TILE_M, SLICE, i * 64, step * 32) / 16;
                Product<WIDTH>::issue(acc[i][j], x + at, w + j * (WIDTH * K_BYTES / 16) + 2 * step, step ? 1 : block);
            }
        product_commit();
        if (block) { /* the products of the block before are complete: its stage is free */
            product_wait<1>();
            release(s, before, lane);
        }
        before = walk.stage;
    }
    product_wait<0>();
#pragma unroll
    for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) product_results(acc[part / PARTS_N][part % PARTS_N]);
    release(s, before, lane);
}

OB_DEVICE Shared shared_layout(u8 *base) {
    Shared s;
    s.stages = base;
    s.full = (u64 *)(base + STAGES * STAGE_BYTES);
    s.empty = s.full + STAGES;
    s.table_full = s.empty + STAGES;
    s.table_empty = s.table_full + 2;
    s.tables = (int *)(s.table_empty + 2);
    return s;
}
OB_DEVICE void barriers_start(const Shared &s) {
    for (int i = 0; i < STAGES; ++i) {
        barrier_init(&s.full[i], 1);
        barrier_init(&s.empty[i], 4 * WORKERS * CLUSTER);
    }
    for (int i = 0; i < 2; ++i) {
        barrier_init(&s.table_full[i], 64);
        barrier_init(&s.table_empty[i], 4 * WORKERS);
    }
    barrier_init_fence();
}

#endif
