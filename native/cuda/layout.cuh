/* layout.cuh: where every byte and every result lives. Pure address arithmetic, shared by the kernels and by a C
 * compiler that runs it on the CPU in the tests. Nothing here touches memory. */
#ifndef OB_LAYOUT_H
#define OB_LAYOUT_H

#ifdef __CUDACC__
#define OB_FN static __device__ __forceinline__
#else
#define OB_FN static inline
#endif

/* Shared-memory tiles of the mma.sync kernel: rows of 64 bytes, four 16-byte chunks. Eight consecutive rows of one
 * chunk fall into eight different groups of four banks, so ldmatrix has no conflict. Returns a byte offset. */
OB_FN unsigned ob_swizzle_64(unsigned row, unsigned chunk) {
    return row * 64u + ((chunk ^ ((row >> 1) & 3u)) << 4);
}

/* The 64-bit matrix descriptor of wgmma for a tile whose rows are `row_bytes` long (128, 64 or 32), in the swizzle of
 * that width, the K dimension contiguous. Such a tile starts at a multiple of eight rows; the copy engine moves the
 * 16-byte chunk c of row r to chunk c ^ (r & 7), c ^ (r >> 1 & 3) or c ^ (r >> 2 & 1). Bits 0-13 address / 16, 16-29
 * leading offset (unused by these swizzles: 1), 32-45 bytes between groups of eight rows / 16, 62-63 swizzle mode (1, 2
 * or 3 for the three widths). */
OB_FN unsigned long long ob_wgmma_descriptor(unsigned shared_address, unsigned row_bytes) {
    unsigned long long mode = row_bytes == 128 ? 1 : row_bytes == 64 ? 2 : 3;
    return (unsigned long long)((shared_address & 0x3FFFFu) >> 4) | (1ull << 16) |
           ((unsigned long long)(8 * row_bytes >> 4) << 32) | (mode << 62);
}

/* Where a product's operand begins in a tile of x that is cut into slices of `slice` bytes of k, each of all `rows`
 * rows: byte `byte` (a multiple of 32) of row `row` (a multiple of 8), before the swizzle. */
OB_FN unsigned ob_slice_offset(unsigned rows, unsigned slice, unsigned row, unsigned byte) {
    return byte / slice * (rows * slice) + row * slice + byte % slice;
}

/* The output place that row `row` of a convolution's tile computes: places x, y of one image after the other, where a
 * tile is a box of that many images, rows and columns at the place of its number among the boxes. 0xFFFFFFFF where the
 * box has no such row, or the result no such place. */
typedef struct {
    unsigned images, height, width;
} ObBox;
OB_FN void ob_box_corner(ObBox box, unsigned tile, unsigned across, unsigned down, ObBox *corner) {
    corner->width = tile % across * box.width;
    corner->height = tile / across % down * box.height;
    corner->images = tile / across / down * box.images;
}
OB_FN unsigned ob_box_place(ObBox box, ObBox corner, ObBox out, unsigned row, ObBox *place) {
    place->width = corner.width + row % box.width;
    place->height = corner.height + row / box.width % box.height;
    place->images = corner.images + row / box.width / box.height;
    if (row >= box.images * box.height * box.width || place->width >= out.width || place->height >= out.height ||
        place->images >= out.images)
        return 0xFFFFFFFFu;
    return (place->images * out.height + place->height) * out.width + place->width;
}

/* Which row of shared memory a lane hands to ldmatrix.x4, and which 16-byte chunk (0 or 1) of the 32-byte step.
 *   A  four matrices: (rows 0-7, chunk 0), (rows 8-15, chunk 0), (rows 0-7, chunk 1), (rows 8-15, chunk 1)
 *   B  two groups of columns: (rows 0-7, chunk 0), (rows 0-7, chunk 1), (rows 8-15, chunk 0), (rows 8-15, chunk 1) */
OB_FN unsigned ob_ldmatrix_row(unsigned lane, unsigned is_a) {
    return (lane & 7u) + 8u * (is_a ? (lane >> 3) & 1u : lane >> 4);
}
OB_FN unsigned ob_ldmatrix_chunk(unsigned lane, unsigned is_a) {
    return is_a ? lane >> 4 : (lane >> 3) & 1u;
}

/* The order in which tiles are computed: bands of `band` tile rows, column by column inside a band, so that the
 * tiles in flight at one time form a square and share their operands in the L2 cache. */
OB_FN void ob_tile_at(unsigned index, unsigned tiles_m, unsigned tiles_n, unsigned band, unsigned *tile_m,
                      unsigned *tile_n) {
    unsigned whole = band * tiles_n, first = index / whole * band;
    unsigned rows = tiles_m - first < band ? tiles_m - first : band, within = index % whole;
    *tile_m = first + within % rows;
    *tile_n = within / rows;
}

#endif
