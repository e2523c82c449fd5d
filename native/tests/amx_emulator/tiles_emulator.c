/* tiles_emulator.c: see tiles_emulator.h. It also answers for the operating system: permission is given. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amx/permission.h"
#include "amx/tiles.h"
#include "cpu.h"

enum { TILES = 8, MOST_ROWS = 16, MOST_BYTES = 64 };

static _Thread_local struct {
    int configured;
    ob_tile_config config;
    unsigned char data[TILES][MOST_ROWS][MOST_BYTES];
} state;
static atomic_int configured;
static atomic_llong products;

static void check(int holds, const char *fault) {
    if (holds) return;
    fprintf(stderr, "tile fault: %s\n", fault);
    abort();
}

static void check_tile(int tile) {
    check(state.configured, "the tiles of this thread are not configured");
    check(tile >= 0 && tile < TILES, "there are 8 tiles");
    check(state.config.rows[tile] && state.config.row_bytes[tile], "this tile has no rows in the configuration");
}

void ob_tiles_configure(const ob_tile_config *config) {
    check(config->palette == 1, "palette 1 is the only one with tiles");
    check(config->start == 0, "start is for interrupted loads");
    for (int i = 0; i < 14; i++) check(!config->reserved[i], "reserved bytes must be 0");
    for (int tile = 0; tile < 16; tile++) {
        const int rows = config->rows[tile], bytes = config->row_bytes[tile];
        check(tile < TILES || (!rows && !bytes), "tiles 8 to 15 do not exist");
        check(rows <= MOST_ROWS && bytes <= MOST_BYTES, "a tile has at most 16 rows of 64 bytes");
        check(!rows == !bytes, "a tile has rows and bytes, or neither");
    }
    if (!state.configured) atomic_fetch_add(&configured, 1);
    state.configured = 1;
    state.config = *config;
    memset(state.data, 0, sizeof state.data);
}

void ob_tiles_release(void) {
    if (state.configured) atomic_fetch_sub(&configured, 1);
    state.configured = 0;
}

void ob_tile_zero(int tile) {
    check_tile(tile);
    memset(state.data[tile], 0, sizeof state.data[tile]);
}

void ob_tile_load(int tile, const void *from, int64_t stride) {
    check_tile(tile);
    memset(state.data[tile], 0, sizeof state.data[tile]);
    for (int r = 0; r < state.config.rows[tile]; r++)
        memcpy(state.data[tile][r], (const char *)from + r * stride, state.config.row_bytes[tile]);
}

void ob_tile_store(int tile, void *to, int64_t stride) {
    check_tile(tile);
    for (int r = 0; r < state.config.rows[tile]; r++)
        memcpy((char *)to + r * stride, state.data[tile][r], state.config.row_bytes[tile]);
}

void ob_tile_multiply(int sums, int a, int b) {
    check_tile(sums), check_tile(a), check_tile(b);
    const ob_tile_config *c = &state.config;
    check(sums != a && sums != b && a != b, "the three tiles of a product differ");
    check(c->rows[sums] == c->rows[a], "the sums have as many rows as operand a");
    check(c->row_bytes[sums] == c->row_bytes[b], "the sums have as many columns as operand b");
    check(c->row_bytes[a] == 4 * c->rows[b], "a row of operand a has 4 bytes for each row of operand b");
    check(c->row_bytes[b] % 4 == 0, "columns have 4 bytes");
    for (int i = 0; i < c->rows[a]; i++) {
        uint32_t sum[MOST_BYTES / 4];
        memcpy(sum, state.data[sums][i], sizeof sum);
        for (int k = 0; k < c->rows[b]; k++) {
            const int8_t *p = (const int8_t *)state.data[a][i] + 4 * k, *q = (const int8_t *)state.data[b][k];
            for (int j = 0; j < c->row_bytes[b] / 4; j++)
                sum[j] += (uint32_t)(p[0] * q[4 * j] + p[1] * q[4 * j + 1] + p[2] * q[4 * j + 2] + p[3] * q[4 * j + 3]);
        }
        memcpy(state.data[sums][i], sum, c->row_bytes[b]);
    }
    atomic_fetch_add_explicit(&products, 1, memory_order_relaxed);
}

int ob_tiles_configured(void) {
    return atomic_load(&configured);
}

int64_t ob_tiles_products(void) {
    return atomic_load(&products);
}

uint32_t ob_amx_permission(uint32_t leaf_7_edx, uint64_t saved_registers, const char **reason) {
    (void)leaf_7_edx, (void)saved_registers, (void)reason;
    return OB_CPU_AMXTILE | OB_CPU_AMXINT8;
}
