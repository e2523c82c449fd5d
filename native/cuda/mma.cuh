/* mma.cuh: one 16 x 8 product step over 32 bytes of each operand, in the form the architecture has in hardware.
 *   form   instruction                     a 32-byte step           what the accumulator sums
 *   AND    mma.m16n8k256 and.popc          256 bits, sm_80..sm_90   popcount(a & w)
 *   XOR    mma.m16n8k256 xor.popc          256 bits, sm_80..sm_89   popcount(a ^ w)     (sm_90 needs two AND for it)
 *   XOR    4 x mma.m8n8k128 xor.popc       256 bits, sm_75
 *   DOT    8 x mma.m16n8k32 s8.s8          256 bits, sm_100 on      sum of (+1 or -1) * (+1 or -1)
 *   DOT    mma.m16n8k32 u8.s8 or s8.s8 (4 x m8n8k16 on sm_75)       sum of u8 * s8, of s8 * s8
 * All have the same registers. Lane l, register i, with g = l / 4 and t = l % 4:
 *   a  row g + 8 (i % 2), bytes from 4 t + 16 (i / 2)      b  column g, bytes from 4 t + 16 i
 *   c  row g + 8 (i / 2), column 2 t + i % 2             (wgmma's results too: i % 4 as here, column + 8 (i / 4)) */
#ifndef OB_MMA_CUH
#define OB_MMA_CUH

#ifndef OB_EMULATED
#define OB_MMA_16816(TYPES)                                                                                   \
    asm volatile("mma.sync.aligned." TYPES " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                                             \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
/* sm_75 has quarters of that shape: 8 rows by 8 columns by 16 bytes. */
#define OB_MMA_QUARTER(TYPES, c0, c1, a0, b0) \
    asm volatile("mma.sync.aligned." TYPES " {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(c0), "+r"(c1) : "r"(a0), "r"(b0))
#define OB_MMA_QUARTERS(TYPES)                         \
    do {                                               \
        OB_MMA_QUARTER(TYPES, c[0], c[1], a[0], b[0]); \
        OB_MMA_QUARTER(TYPES, c[2], c[3], a[1], b[0]); \
        OB_MMA_QUARTER(TYPES, c[0], c[1], a[2], b[1]); \
        OB_MMA_QUARTER(TYPES, c[2], c[3], a[3], b[1]); \
    } while (0)

#if OB_OPERAND == OB_OPERAND_BYTES
#define OB_BYTE_TYPES "row.col.s32.u8.s8.s32"
#else
#define OB_BYTE_TYPES "row.col.s32.s8.s8.s32"
#endif
#if OB_FORM == OB_FORM_AND
#define OB_BIT_TYPES "row.col.s32.b1.b1.s32.and.popc"
#else
#define OB_BIT_TYPES "row.col.s32.b1.b1.s32.xor.popc"
#endif

#if OB_FORM == OB_FORM_DOT
OB_DEVICE void mma_bytes(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    OB_MMA_16816("m16n8k32." OB_BYTE_TYPES);
#else
    OB_MMA_QUARTERS("m8n8k16." OB_BYTE_TYPES);
#endif
}
#else
OB_DEVICE void mma_bits(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if __CUDA_ARCH__ >= 800
    OB_MMA_16816("m16n8k256." OB_BIT_TYPES);
#else
    OB_MMA_QUARTERS("m8n8k128." OB_BIT_TYPES);
#endif
}
#endif
#endif /* OB_EMULATED */

/* Four bits to four signed bytes, bit 1 to -1 and bit 0 to +1: the product spreads bit i to byte i (no two terms
 * meet in one of the kept bits), and 01 | FE is FF. */
OB_DEVICE u32 ob_signs_of_nibble(u32 word, u32 nibble) {
    u32 bits = (word >> (4 * nibble)) & 0xFu;
    return ((bits * 0x00204081u & 0x01010101u) * 0xFEu) | 0x01010101u;
}

/* A warp's 64 x 64 products of one 32-byte step. */
OB_DEVICE void mma_tile(int (&c)[4][8][4], const u32 (&a)[4][4], const u32 (&b)[8][2]) {
#if OB_FORM == OB_FORM_DOT && OB_OPERAND == OB_OPERAND_BITS
    /* The order of k inside a sum is free as long as both operands agree on it: nibble s of every register is step
     * s. */
#pragma unroll 1
    for (u32 s = 0; s < 8; ++s) {
        u32 b_signs[8][2];
#pragma unroll
        for (u32 j = 0; j < 16; ++j) b_signs[j / 2][j % 2] = ob_signs_of_nibble(b[j / 2][j % 2], s);
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            u32 a_signs[4];
#pragma unroll
            for (u32 j = 0; j < 4; ++j) a_signs[j] = ob_signs_of_nibble(a[i][j], s);
#pragma unroll
            for (u32 j = 0; j < 8; ++j) mma_bytes(c[i][j], a_signs, b_signs[j]);
        }
    }
#else
#pragma unroll
    for (u32 i = 0; i < 4; ++i)
#pragma unroll
        for (u32 j = 0; j < 8; ++j)
#if OB_FORM == OB_FORM_DOT
            mma_bytes(c[i][j], a[i], b[j]);
#else
            mma_bits(c[i][j], a[i], b[j]);
#endif
#endif
}

/* One of four warps' 64 x 64 products of two 128 x 64-byte tiles in shared memory. */
OB_DEVICE void multiply_tiles(const u8 *x, const u8 *w, int (&acc)[4][8][4], u32 warp, u32 lane) {
#pragma unroll
    for (u32 step = 0; step < 2; ++step) {
        u32 a[4][4], b[8][2];
#pragma unroll
        for (u32 i = 0; i < 4; ++i)
            ldmatrix_x4(a[i], x + ob_swizzle_64(warp / 2 * 64 + i * 16 + ob_ldmatrix_row(lane, 1),
                                                step * 2 + ob_ldmatrix_chunk(lane, 1)));
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            u32 pair[4];
            ldmatrix_x4(pair, w + ob_swizzle_64(warp % 2 * 64 + j * 16 + ob_ldmatrix_row(lane, 0),
                                                step * 2 + ob_ldmatrix_chunk(lane, 0)));
            b[2 * j][0] = pair[0], b[2 * j][1] = pair[1];
            b[2 * j + 1][0] = pair[2], b[2 * j + 1][1] = pair[3];
        }
        mma_tile(acc, a, b);
    }
}

#endif
