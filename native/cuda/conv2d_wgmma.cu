/* conv2d_wgmma.cu: convolution of bits as an implicit product on Hopper (sm_90a): products by wgmma, patches by the
 * bulk tensor copy.
 *
 * A tile's rows are a box of output places: so many images, rows and columns. For a tap the places lie in x as a box of
 * the same sizes with the convolution's strides, so one copy fetches a tap of all rows: its corner is the tap's, what
 * lies outside of the image arrives as zeros (conv.cuh makes that good). k is cut into slices of OB_SLICE bytes, some
 * of a tap in each; what a slice holds past its tap's or its group's bytes meets zeros in the weights. warpgroup 0
 * thread 0 feeds the ring; warps 1 and 2 prepare a tile's table: bounds, terms, rows of the result, popcounts of the
 * patches (box sums of the pixels' popcounts, which row_sums holds) warpgroups 1..   products and epilogue, together on
 * one tile Limits: bits of x of a multiple of 16 bytes for each pixel and group; strides up to 8. Macros: OB_OUTPUT,
 * OB_SPLIT (0 or 1: int32 sums of parts of k), those of wgmma_ring.cuh without OB_PINGPONG and OB_CLUSTER. */
#define OB_OPERAND 1
#define OB_FORM 1
#define OB_WHOLE_SUMS
#define OB_PINGPONG 0
#define OB_CLUSTER 1
#define OB_COPIES 1
#define OB_PRODUCER_REGISTERS 72
#define OB_TABLE_MORE (OB_COLUMNS + 3 * OB_ROWS * OB_CONSUMERS)
#include "conv.cuh"
#include "wgmma_ring.cuh"

struct BoxArgs {
    ConvArgs conv;  /* dense.row_sums: popcounts (images, height, width, groups); dense.k_bytes: of all slices */
    ObBox box, out; /* places of a tile, and of the result */
    u32 across, down, pieces; /* boxes of an image, slices of a tap */
    u32 kernel_rows;
};

/* What the table of a tile holds. */
struct Table {
    int *bounds, *inside, *rows, *row_terms, *classes;
    u32 *flips;
};
OB_DEVICE Table table_of(const Shared &s, u32 number) {
    int *first = s.tables + number * TABLE_INTS, *inside = first + TILE_N + TILE_N / 32;
    Table table = {
        first, inside, inside + TILE_N, inside + TILE_N + TILE_M, inside + TILE_N + 2 * TILE_M, (u32 *)first + TILE_N};
    return table;
}

struct Tile {
    ObBox corner;
    u32 column0, group, part;
};
OB_DEVICE u32 copies_of(const BoxArgs &args) {
    return args.conv.groups * (OB_SPLIT ? args.conv.dense.parts : 1);
}
OB_DEVICE Tile place_tile(const BoxArgs &args, Walk &walk) {
    Tile tile;
    u32 tile_m, tile_n, copy = walk_tile(args.conv.dense, walk, &tile_m, &tile_n);
    ob_box_corner(args.box, tile_m, args.across, args.down, &tile.corner);
    tile.column0 = tile_n * TILE_N;
    tile.group = OB_SPLIT ? copy % args.conv.groups : copy;
    tile.part = OB_SPLIT ? copy / args.conv.groups : 0;
    return tile;
}

/* A slice of k: its tap, and which piece of the tap. Slices behind the last tap meet zeros in the weights. */
struct Slice {
    u32 y, x, piece;
};
OB_DEVICE Slice slice_of(const BoxArgs &args, u32 number) {
    u32 tap = number / args.pieces;
    Slice slice = {tap / args.conv.kernel_columns, tap % args.conv.kernel_columns, number % args.pieces};
    return slice;
}
OB_DEVICE void slice_next(const BoxArgs &args, Slice &slice) {
    if (++slice.piece < args.pieces) return;
    slice.piece = 0;
    if (++slice.x == args.conv.kernel_columns) slice.x = 0, ++slice.y;
}

OB_DEVICE void feed(const Shared &s, const TensorMap *map_x, const TensorMap *map_w, const BoxArgs &args) {
    const ConvArgs &conv = args.conv;
    u32 box_bytes = args.box.images * args.box.height * args.box.width * SLICE;
    for (Walk walk = walk_start(conv.dense, 0, copies_of(args)); walk.index < walk.count; walk_next(walk, 1)) {
        Tile tile = place_tile(args, walk);
        u32 block0 = tile.part * walk.k_blocks;
        int x0 = (int)tile.corner.width * conv.stride_x - conv.left;
        int y0 = (int)tile.corner.height * conv.stride_y - conv.top;
        Slice slice = slice_of(args, block0 * SLICES);
        for (u32 block = 0; block < walk.k_blocks; ++block, walk_stage(walk)) {
            barrier_wait(&s.empty[walk.stage], walk.parity ^ 1);
            u64 *full = &s.full[walk.stage];
            u8 *x = s.stages + walk.stage * STAGE_BYTES;
            barrier_expect(full, SLICES * box_bytes + TILE_N * K_BYTES);
#pragma unroll
            for (u32 i = 0; i < SLICES; ++i, slice_next(args, slice))
                tensor_load_box(x + i * (TILE_M * SLICE), map_x, full,
                                tile.group * conv.tap_bytes + slice.piece * SLICE, x0 + (int)slice.x * conv.dilation_x,
                                y0 + (int)slice.y * conv.dilation_y, tile.corner.images);
            tensor_load(x + X_BYTES, map_w, full, (block0 + block) * K_BYTES, tile.group * conv.dense.n + tile.column0);
        }
    }
}

/* Bits of x under all taps of a place. */
OB_DEVICE int count_patch(const BoxArgs &args, ObBox place, u32 group) {
    const ConvArgs &conv = args.conv;
    const int *image = conv.dense.row_sums + (u64)place.images * conv.height * conv.width * conv.groups + group;
    int y = (int)place.height * conv.stride_y - conv.top, ones = 0;
    for (u32 i = 0; i < args.kernel_rows; ++i, y += conv.dilation_y) {
        if ((u32)y >= conv.height) continue;
        int x = (int)place.width * conv.stride_x - conv.left;
        for (u32 j = 0; j < conv.kernel_columns; ++j, x += conv.dilation_x)
            if ((u32)x < conv.width) ones += image[((u32)y * conv.width + (u32)x) * conv.groups];
    }
    return ones;
}

/* The first part of k has all terms, the others none. */
OB_DEVICE void prepare(const Shared &s, const BoxArgs &args, u32 thread) {
    for (Walk walk = walk_start(args.conv.dense, 0, copies_of(args)); walk.index < walk.count; walk_next(walk, 1)) {
        Tile tile = place_tile(args, walk);
        u32 number = walk.sequence & 1, parity = (walk.sequence >> 1) & 1, n = args.conv.dense.n;
        Table table = table_of(s, number);
        barrier_wait(&s.table_empty[number], parity ^ 1);
        for (u32 row = thread; row < TILE_M; row += 64) {
            ObBox place;
            u32 at = ob_box_place(args.box, tile.corner, args.out, row, &place);
            bool counts = at != 0xFFFFFFFFu && !tile.part;
            table.rows[row] = (int)at;
            table.row_terms[row] = counts ? -2 * count_patch(args, place, tile.group) : 0;
            table.classes[row] = counts ? class_of(args.conv, at) : 0;
        }
        for (u32 column = thread; column < TILE_N; column += 64)
            table.inside[column] =
                tile.column0 + column < n && !tile.part ? args.conv.terms[tile.group * n + tile.column0 + column] : 0;
#if OB_OUTPUT == OB_OUTPUT_BITS
        fill_bounds<TILE_N, 64>(of_group(args.conv, tile.group), table.bounds, tile.column0, thread);
#endif
        barrier_arrive(&s.table_full[number]);
    }
}

OB_DEVICE void consume(const Shared &s, const BoxArgs &args, u32 worker, u32 warp, u32 lane) {
    for (Walk walk = walk_start(args.conv.dense, 0, copies_of(args)); walk.index < walk.count; walk_next(walk, 1)) {
        Tile tile = place_tile(args, walk);
        u32 number = walk.sequence & 1, parity = (walk.sequence >> 1) & 1;
        Accumulators acc;
        multiply(s, walk, acc, worker, lane);
        Table table = table_of(s, number);
        DenseArgs dense = of_group(args.conv, tile.group);
        const int none[2] = {0, 0}, *terms = args.conv.terms + tile.group * dense.n + tile.column0 + 2 * (lane & 3);
        barrier_wait(&s.table_full[number], parity);
#pragma unroll
        for (u32 part = 0; part < PARTS_M * PARTS_N; ++part) {
            u32 i = part / PARTS_N, j = part % PARTS_N, row = worker * ROWS + i * 64 + warp * 16 + lane / 4;
            u32 rows[2] = {(u32)table.rows[row], (u32)table.rows[row + 8]};
            const int *inside = table.inside + j * WIDTH + 2 * (lane & 3);
#pragma unroll
            for (u32 half = 0; half < 2; ++half)
                whole_sums<WIDTH>(args.conv, acc[i][j], half, table.row_terms[row + 8 * half],
                                  (u32)table.classes[row + 8 * half], inside, terms + j * WIDTH);
            emit_strip<WIDTH>(dense, acc[i][j], table.bounds + j * WIDTH, table.flips + j * (WIDTH / 32), none, rows,
                              tile.column0 + j * WIDTH, lane, tile.part);
        }
        __syncwarp();
        if (lane == 0) barrier_arrive(&s.table_empty[number]);
    }
}

/* Rows of the tiles of x that no copy writes: a box may have fewer places than a tile has rows. */
OB_DEVICE void clear_rest(const Shared &s, const BoxArgs &args) {
    u32 first = args.box.images * args.box.height * args.box.width;
    if (first == TILE_M) return;
    for (u32 at = threadIdx.x * 16; at < STAGES * X_BYTES; at += THREADS * 16) {
        if (at / SLICE % TILE_M < first) continue;
        u64 *chunk = (u64 *)(s.stages + at / X_BYTES * STAGE_BYTES + at % X_BYTES);
        chunk[0] = 0, chunk[1] = 0;
    }
    stores_fence();
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    onebit_conv2d_wgmma(const __grid_constant__ TensorMap map_x, const __grid_constant__ TensorMap map_w,
                        const BoxArgs args) {
    OB_SHARED_TILES(memory);
    Shared s = shared_layout(memory);
    u32 group = warpgroup(), warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
    if (threadIdx.x == 0) barriers_start(s);
    clear_rest(s, args);
    __syncthreads();
    if (group == 0) {
        registers_give<PRODUCER_REGISTERS>();
        if (threadIdx.x == 0)
            feed(s, &map_x, &map_w, args);
        else if (warp == 1 || warp == 2)
            prepare(s, args, threadIdx.x - 32);
    } else {
        registers_take<CONSUMER_REGISTERS>();
        consume(s, args, group - 1, warp, lane);
    }
}
