/* dense_wgmma.cu: y = x w' on Hopper (sm_90a): 1-bit products by wgmma, operands by the bulk tensor copy.
 *
 * The tensor core needs fewer cycles for a tile than the L2 cache needs to refill shared memory, so a block holds
 * the largest tile that fits into its registers: refill per product falls as 1/rows + 1/columns.
 *   warpgroup 0      warp 0 feeds a ring of STAGES tiles of 128 bytes of k; warps 1 and 2 prepare the channels' bounds
 *   warpgroups 1..   products; together on one tile, or (PINGPONG) in turn on two tiles, one's epilogue under the
 *                    other's products
 * The grid is persistent: a block (or a cluster of two, which share the weight tile) takes every grid-th tile.
 * Limit: rows of a multiple of 16 bytes. Macros: OB_OPERAND, OB_OUTPUT, OB_CONSUMERS (2 or 3), OB_ROWS (64 or 128
 * rows for one warpgroup), OB_COLUMNS (64, 128, 192, 256), OB_WIDTH (columns of one instruction; divides
 * OB_COLUMNS), OB_STAGES, OB_PINGPONG (0 or 1), OB_CLUSTER (1 or 2), OB_SPLIT (0 or 1: int32 sums of parts of k, each
 * part of a tile a tile of its own; all are alike, and the copy engine fills up with zeros). */
#ifndef OB_OPERAND
#define OB_OPERAND 1
#endif
#define OB_FORM (OB_OPERAND == 1 ? 1 : 3) /* AND for bits, DOT for bytes */
#include "device.cuh"
#include "epilogue.cuh"
#include "hopper.cuh"
#include "wgmma.cuh"

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
    X_BYTES = TILE_M * K_BYTES,
    STAGE_BYTES = (TILE_M + TILE_N) * K_BYTES,
    TABLE_INTS = TILE_N + TILE_N / 32,
    THREADS = 128 * (CONSUMERS + 1),
    SHARED_BYTES = STAGES * STAGE_BYTES + 2 * TABLE_INTS * 4 + (2 * STAGES + 4) * 8,
    PRODUCER_REGISTERS = CONSUMERS == 3 ? 32 : 40,
    CONSUMER_REGISTERS = CONSUMERS == 3 ? 160 : 232,
};

struct Shared {
    u8 *stages;
    int *tables; /* two: bounds, then flips */
    u64 *full, *empty, *table_full, *table_empty;
};

/* The tiles of this block, and the ring of stages that all roles walk in the same order: the tile of number `sequence`
 * begins where `sequence` tiles of k_blocks stages end. */
struct Walk {
    u32 sequence, index, step, count, k_blocks, stage, parity;
};
OB_DEVICE Walk walk_start(const DenseArgs &args, u32 sequence) {
    Walk walk;
    walk.sequence = sequence;
    walk.step = gridDim.x / CLUSTER;
    walk.index = blockIdx.x / CLUSTER + sequence * walk.step;
    walk.count = (args.tiles_m + CLUSTER - 1) / CLUSTER * args.tiles_n;
    walk.k_blocks = (args.k_bytes + K_BYTES - 1) / K_BYTES;
    if (OB_SPLIT) walk.k_blocks = (walk.k_blocks + args.parts - 1) / args.parts, walk.count *= args.parts;
    return walk;
}
OB_DEVICE void walk_next(Walk &walk, u32 tiles) {
    walk.sequence += tiles;
    walk.index += tiles * walk.step;
}
OB_DEVICE void walk_tile(const DenseArgs &args, Walk &walk, u32 *row0, u32 *column0) {
    u32 tile_m, tile_n, before = walk.sequence * walk.k_blocks, index = walk.index;
    if (OB_SPLIT) index %= walk.count / args.parts;
    ob_tile_at(index, (args.tiles_m + CLUSTER - 1) / CLUSTER, args.tiles_n, args.band, &tile_m, &tile_n);
    *row0 = (tile_m * CLUSTER + (CLUSTER > 1 ? cluster_block() : 0)) * TILE_M;
    *column0 = tile_n * TILE_N;
    walk.stage = before % STAGES;
    walk.parity = before / STAGES & 1;
}
OB_DEVICE u32 walk_part(const DenseArgs &args, const Walk &walk) {
    return OB_SPLIT ? walk.index / (walk.count / args.parts) : 0;
}
OB_DEVICE void walk_stage(Walk &walk) {
    if (++walk.stage == STAGES) walk.stage = 0, walk.parity ^= 1;
}

OB_DEVICE void feed(const Shared &s, const TensorMap *map_x, const TensorMap *map_w, const DenseArgs &args) {
    for (Walk walk = walk_start(args, 0); walk.index < walk.count; walk_next(walk, 1)) {
        u32 row0, column0;
        walk_tile(args, walk, &row0, &column0);
        u32 block0 = walk_part(args, walk) * walk.k_blocks;
        for (u32 block = 0; block < walk.k_blocks; ++block, walk_stage(walk)) {
            barrier_wait(&s.empty[walk.stage], walk.parity ^ 1);
            u64 *full = &s.full[walk.stage];
            u8 *x = s.stages + walk.stage * STAGE_BYTES, *w = x + X_BYTES;
            u32 byte0 = (block0 + block) * K_BYTES;
            barrier_expect(full, STAGE_BYTES);
            tensor_load(x, map_x, full, byte0, row0);
            if (CLUSTER == 1)
                tensor_load(w, map_w, full, byte0, column0);
            else { /* each block of the pair fetches half of the weight tile for both */
                u32 half = cluster_block() * (TILE_N / CLUSTER);
                tensor_load_multicast(w + half * K_BYTES, map_w, full, byte0, column0 + half,
                                      (1 << CLUSTER) - 1);
            }
        }
    }
}

OB_DEVICE void prepare_bounds(const Shared &s, const DenseArgs &args, u32 thread) {
    for (Walk walk = walk_start(args, 0); walk.index < walk.count; walk_next(walk, 1)) {
        u32 row0, column0, table = walk.sequence & 1, parity = (walk.sequence >> 1) & 1;
        walk_tile(args, walk, &row0, &column0);
        barrier_wait(&s.table_empty[table], parity ^ 1);
        fill_bounds<TILE_N, 64>(args, s.tables + table * TABLE_INTS, column0, thread);
        barrier_arrive(&s.table_full[table]);
    }
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
    u64 first_x = ob_wgmma_descriptor(shared_address(s.stages) + worker * ROWS * K_BYTES);
    u64 first_w = ob_wgmma_descriptor(shared_address(s.stages) + X_BYTES);
    for (u32 block = 0; block < walk.k_blocks; ++block, walk_stage(walk)) {
        barrier_wait(&s.full[walk.stage], walk.parity);
        u64 x = first_x + walk.stage * (STAGE_BYTES / 16), w = first_w + walk.stage * (STAGE_BYTES / 16);
        product_fence();
#pragma unroll
        for (u32 step = 0; step < 4; ++step)
#pragma unroll
            for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) {
                u32 i = part / PARTS_N, j = part % PARTS_N;
                Product<WIDTH>::issue(acc[i][j], x + i * (64 * K_BYTES / 16) + 2 * step,
                                      w + j * (WIDTH * K_BYTES / 16) + 2 * step, step ? 1 : block);
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

OB_DEVICE void consume(const Shared &s, const DenseArgs &args, u32 consumer, u32 warp, u32 lane) {
    u32 worker = OB_PINGPONG ? 0 : consumer;
    for (Walk walk = walk_start(args, OB_PINGPONG ? consumer : 0); walk.index < walk.count;
         walk_next(walk, OB_PINGPONG ? CONSUMERS : 1)) {
        u32 row0, column0, table = walk.sequence & 1, parity = (walk.sequence >> 1) & 1;
        walk_tile(args, walk, &row0, &column0);
        row0 += worker * ROWS + warp * 16;
        int terms[PARTS_M][2];
        Accumulators acc;
#pragma unroll
        for (u32 i = 0; i < 2 * PARTS_M; ++i)
            terms[i / 2][i % 2] = row_term(args, row0 + i / 2 * 64 + i % 2 * 8 + lane / 4, walk_part(args, walk));
        /* In turn: a turn also proves that all earlier phases of the ring are over, without which a wait could
         * mistake an older phase of the same parity for its own. */
        if (OB_PINGPONG && walk.sequence) group_sync(1 + consumer, 2 * 128);
        multiply(s, walk, acc, worker, lane);
        if (OB_PINGPONG && walk.index + walk.step < walk.count) group_arrive(1 + (consumer ^ 1), 2 * 128);
        if (OB_OUTPUT == OB_OUTPUT_BITS) barrier_wait(&s.table_full[table], parity);
        u32 of_k = walk_part(args, walk);
#pragma unroll
        for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) {
            u32 i = part / PARTS_N, j = part % PARTS_N;
            emit_strip<WIDTH>(args, acc[i][j], s.tables + table * TABLE_INTS + j * WIDTH,
                              (const u32 *)(s.tables + table * TABLE_INTS + TILE_N) + j * (WIDTH / 32), terms[i],
                              row0 + i * 64, column0 + j * WIDTH, lane, of_k);
        }
        __syncwarp();
        if (OB_OUTPUT == OB_OUTPUT_BITS && lane == 0) barrier_arrive(&s.table_empty[table]);
    }
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

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    onebit_dense_wgmma(const __grid_constant__ TensorMap map_x, const __grid_constant__ TensorMap map_w,
                       const DenseArgs args) {
    OB_SHARED_TILES(memory);
    Shared s = shared_layout(memory);
    /* Through a shuffle the compiler learns that all lanes agree, and keeps what follows from it in uniform
     * registers. */
    u32 group = __shfl_sync(0xFFFFFFFFu, threadIdx.x / 128, 0), warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    if (threadIdx.x == 0) barriers_start(s);
    if (CLUSTER > 1)
        cluster_sync();
    else
        __syncthreads();
    if (group == 0) {
        registers_give<PRODUCER_REGISTERS>();
        if (threadIdx.x == 0)
            feed(s, &map_x, &map_w, args);
        else if (OB_OUTPUT == OB_OUTPUT_BITS && (warp == 1 || warp == 2))
            prepare_bounds(s, args, threadIdx.x - 32);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume(s, args, group - 1, warp, lane);
    }
    __syncwarp();
    if (CLUSTER > 1) cluster_sync(); /* no block leaves while its pair may still write into it */
}
