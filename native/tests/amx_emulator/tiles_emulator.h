/* tiles_emulator.h: the operations of amx/tiles.h on tile registers in memory, one set per thread.
 *
 * The rules are the processor's: a tile exists between configure and release, its rows and bytes are the
 * configuration's, operands of a product must fit each other, sums wrap. What the processor answers with a fault stops
 * the program here, with a sentence. Results are exact, so kernels are compared bit for bit; time is not emulated. */
#ifndef ONEBIT_TILES_EMULATOR_H
#define ONEBIT_TILES_EMULATOR_H

#pragma GCC visibility push(default)
void ob_tiles_configure(const ob_tile_config *config);
void ob_tiles_release(void);
void ob_tile_zero(int tile);
void ob_tile_load(int tile, const void *from, int64_t stride);
void ob_tile_store(int tile, void *to, int64_t stride);
void ob_tile_multiply(int sums, int a, int b);

/* Threads whose tiles are configured now, and products made so far: what a test asks. */
int ob_tiles_configured(void);
int64_t ob_tiles_products(void);
#pragma GCC visibility pop

#endif
