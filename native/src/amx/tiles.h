/* tiles.h: the eight tile registers of AMX, as seven operations on tiles 0 to 7. A tile has 16 rows of 64 bytes.
 *
 * One instruction each, written here because gcc's own intrinsics tell the compiler neither that a tile load reads
 * memory nor that loading a configuration reads 64 bytes: it may then drop or move the stores that filled them.
 * A number of a tile is part of the instruction, so it must be a literal.
 * The tests compile the same kernels with OB_TILES_EMULATED against registers in memory (tests/amx_emulator). */
#ifndef ONEBIT_TILES_H
#define ONEBIT_TILES_H

#include <stdint.h>

enum { OB_TILE_ROWS = 16, OB_TILE_ROW_BYTES = 64, OB_TILE_BYTES = 1024 };

typedef struct ob_tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the rest is 0 */
    uint8_t rows[16];
} ob_tile_config;
_Static_assert(sizeof(ob_tile_config) == 64, "the processor reads 64 bytes");

#if defined(OB_TILES_EMULATED)
#include "tiles_emulator.h"
#else

/* A thread's tiles exist between configure and release; both are cheap beside a part of an output. */
static inline __attribute__((always_inline)) void ob_tiles_configure(const ob_tile_config *config) {
    __asm__ volatile("ldtilecfg %0" ::"m"(*config));
}
static inline __attribute__((always_inline)) void ob_tiles_release(void) {
    __asm__ volatile("tilerelease" ::: "memory");
}
#define ob_tile_zero(tile) __asm__ volatile("tilezero %%tmm" #tile::: "memory")
/* Row r of the tile is at from + r * stride bytes. */
#define ob_tile_load(tile, from, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile::"r"(from), "r"((int64_t)(stride)) : "memory")
#define ob_tile_store(tile, to, stride) \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((int64_t)(stride)) : "memory")
/* sums[i][j] += sum over k < 16, b < 4 of a[i][4 * k + b] * b[k][4 * j + b], int8 into int32. */
#define ob_tile_multiply(sums, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #sums::: "memory")

#endif
#endif
