/* dense_wgmma.cu: y = x w' on Hopper (sm_90a): 1-bit products by wgmma, operands by the bulk tensor copy.
 *
 * The tensor core needs fewer cycles for a tile than the L2 cache needs to refill shared memory, so a block holds
 * the largest tile that fits into its registers: refill per product falls as 1/rows + 1/columns.
 *   warpgroup 0      warp 0 feeds a ring of STAGES tiles of 128 bytes of k; warps 1 and 2 prepare the channels' bounds
 *   warpgroups 1..   products; together on one tile, or (PINGPONG) in turn on two tiles, one's epilogue under the
 *                    other's products
 * The grid is persistent: a block (or a cluster of two, which share the weight tile) takes every grid-th tile.
 * Limit: rows of a multiple of 16 bytes. Macros: OB_OPERAND, OB_OUTPUT, those of wgmma_ring.cuh, OB_SPLIT (0 or 1:
 * int32 sums of parts of k, each part of a tile a tile of its own; all are alike, and the copy engine fills up with
 * zeros). */
#ifndef OB_OPERAND
#define OB_OPERAND 1
#endif
#define OB_FORM (OB_OPERAND == 1 ? 1 : 3) /* AND for bits, DOT for bytes */
#include "wgmma_ring.cuh"

/* The first row and column of the walk's tile; returns its part of k. */
OB_DEVICE u32 place_tile(const DenseArgs &args, Walk &walk, u32 *row0, u32 *column0) {
    u32 tile_m, tile_n, part = walk_tile(args, walk, &tile_m, &tile_n);
    *row0 = (tile_m * CLUSTER + (CLUSTER > 1 ? cluster_block() : 0)) * TILE_M;
    *column0 = tile_n * TILE_N;
    return part;
}

OB_DEVICE void feed(const Shared &s, const TensorMap *map_x, const TensorMap *map_w, const DenseArgs &args) {
    for (Walk walk = walk_start(args, 0, OB_SPLIT ? args.parts : 1); walk.index < walk.count; walk_next(walk, 1)) {
        u32 row0, column0, block0 = place_tile(args, walk, &row0, &column0) * walk.k_blocks;
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
                tensor_load_multicast(w + half * K_BYTES, map_w, full, byte0, column0 + half, (1 << CLUSTER) - 1);
            }
        }
    }
}

OB_DEVICE void prepare_bounds(const Shared &s, const DenseArgs &args, u32 thread) {
    for (Walk walk = walk_start(args, 0, OB_SPLIT ? args.parts : 1); walk.index < walk.count; walk_next(walk, 1)) {
        u32 row0, column0, table = walk.sequence & 1, parity = (walk.sequence >> 1) & 1;
        place_tile(args, walk, &row0, &column0);
        barrier_wait(&s.table_empty[table], parity ^ 1);
        fill_bounds<TILE_N, 64>(args, s.tables + table * TABLE_INTS, column0, thread);
        barrier_arrive(&s.table_full[table]);
    }
}

OB_DEVICE void consume(const Shared &s, const DenseArgs &args, u32 consumer, u32 warp, u32 lane) {
    u32 worker = OB_PINGPONG ? 0 : consumer;
    for (Walk walk = walk_start(args, OB_PINGPONG ? consumer : 0, OB_SPLIT ? args.parts : 1); walk.index < walk.count;
         walk_next(walk, OB_PINGPONG ? CONSUMERS : 1)) {
        u32 row0, column0, table = walk.sequence & 1, parity = (walk.sequence >> 1) & 1;
        u32 part_of_k = place_tile(args, walk, &row0, &column0);
        row0 += worker * ROWS + warp * 16 + lane / 4;
        int terms[PARTS_M][2];
        Accumulators acc;
#pragma unroll
        for (u32 i = 0; i < 2 * PARTS_M; ++i)
            terms[i / 2][i % 2] = row_term(args, row0 + i / 2 * 64 + i % 2 * 8, part_of_k);
        /* In turn: a turn also proves that all earlier phases of the ring are over, without which a wait could
         * mistake an older phase of the same parity for its own. */
        if (OB_PINGPONG && walk.sequence) group_sync(1 + consumer, 2 * 128);
        multiply(s, walk, acc, worker, lane);
        if (OB_PINGPONG && walk.index + walk.step < walk.count) group_arrive(1 + (consumer ^ 1), 2 * 128);
        if (OB_OUTPUT == OB_OUTPUT_BITS) barrier_wait(&s.table_full[table], parity);
#pragma unroll
        for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) {
            u32 i = part / PARTS_N, j = part % PARTS_N, rows[2] = {row0 + i * 64, row0 + i * 64 + 8};
            emit_strip<WIDTH>(args, acc[i][j], s.tables + table * TABLE_INTS + j * WIDTH,
                              (const u32 *)(s.tables + table * TABLE_INTS + TILE_N) + j * (WIDTH / 32), terms[i], rows,
                              column0 + j * WIDTH, lane, part_of_k);
        }
        __syncwarp();
        if (OB_OUTPUT == OB_OUTPUT_BITS && lane == 0) barrier_arrive(&s.table_empty[table]);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    onebit_dense_wgmma(const __grid_constant__ TensorMap map_x, const __grid_constant__ TensorMap map_w,
                       const DenseArgs args) {
    OB_SHARED_TILES(memory);
    Shared s = shared_layout(memory);
    u32 group = warpgroup(), warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
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
