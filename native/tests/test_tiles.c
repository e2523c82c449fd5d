/* test_tiles.c: the emulated tiles are the processor's (tdpbssd's definition; faults), and the amx kernels that run on
 * them are exact at every size around their blocks, use tiles only between configure and release, and leave none. */
#define _DEFAULT_SOURCE
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amx/tiles.h"

/* ---- the emulator ---- */

static const ob_tile_config whole = {
    .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* The instruction's definition: sums[i][j] += sum over k and b of a[i][4 * k + b] * b[k][4 * j + b]. */
static void check_product(int rows, int depth, int columns, uint64_t *seed) {
    ob_tile_config config = {.palette = 1};
    config.rows[2] = config.rows[5] = (uint8_t)rows, config.rows[7] = (uint8_t)depth;
    config.row_bytes[2] = config.row_bytes[7] = (uint16_t)(4 * columns), config.row_bytes[5] = (uint16_t)(4 * depth);
    int8_t a[16][64], b[16][64];
    int32_t sums[16][20], expected[16][20];
    fill(a, sizeof a, seed), fill(b, sizeof b, seed), fill(sums, sizeof sums, seed);
    if (draw(seed) % 3 == 0) memset(a, -128, sizeof a), memset(b, -128, sizeof b);
    memcpy(expected, sums, sizeof sums);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            int64_t sum = sums[i][j];
            for (int k = 0; k < depth; k++)
                for (int c = 0; c < 4; c++) sum += a[i][4 * k + c] * b[k][4 * j + c];
            expected[i][j] = (int32_t)(uint32_t)(uint64_t)sum; /* it wraps */
        }
    ob_tiles_configure(&config);
    ob_tile_load(2, sums, sizeof sums[0]);
    ob_tile_load(5, a, 64);
    ob_tile_load(7, b, 64);
    ob_tile_multiply(2, 5, 7);
    ob_tile_store(2, sums, sizeof sums[0]);
    CHECK(!memcmp(sums, expected, sizeof sums), "%d x %d x %d", rows, depth, columns);
    ob_tile_zero(2);
    ob_tile_store(2, sums, sizeof sums[0]);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < 20; j++)
            CHECK(sums[i][j] == (j < columns ? 0 : expected[i][j]), "zero %d x %d", rows, columns);
    ob_tiles_release();
}

static void use_unconfigured(void) {
    ob_tile_zero(0);
}
static void use_released(void) {
    ob_tiles_configure(&whole);
    ob_tiles_release();
    ob_tile_multiply(0, 4, 6);
}
static void configure_wide(void) {
    ob_tile_config config = whole;
    config.row_bytes[3] = 68;
    ob_tiles_configure(&config);
}
static void configure_ninth(void) {
    ob_tile_config config = whole;
    config.rows[8] = 16, config.row_bytes[8] = 64;
    ob_tiles_configure(&config);
}
static void use_empty(void) {
    ob_tile_config config = whole;
    config.rows[1] = 0, config.row_bytes[1] = 0;
    ob_tiles_configure(&config);
    ob_tile_zero(1);
}
static void multiply_misfits(void) {
    ob_tile_config config = whole;
    config.rows[6] = 8;
    ob_tiles_configure(&config);
    ob_tile_multiply(0, 4, 6);
}
static void multiply_into_itself(void) {
    ob_tiles_configure(&whole);
    ob_tile_multiply(0, 0, 6);
}

static void check_faults(void) {
    static void (*const faults[])(void) = {use_unconfigured, use_released,     configure_wide,      configure_ninth,
                                           use_empty,        multiply_misfits, multiply_into_itself};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const pid_t child = fork();
        if (child == 0) {
            fclose(stderr);
            faults[i]();
            _exit(0);
        }
        int status = 0;
        CHECK(child > 0 && waitpid(child, &status, 0) == child, "fork");
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "misuse %d is not a fault", (int)i);
    }
}

/* ---- the kernels on it ---- */

typedef struct operands {
    int64_t m, n, k;
    uint64_t *x, *rows;
    void *weights;
    size_t bytes;
    int32_t *expected, *got;
} operands;

static uint64_t *draw_bits(int64_t rows, int64_t k, uint64_t *seed) {
    const int words = words_of(k);
    uint64_t *to = malloc((size_t)(rows * words) * 8);
    fill(to, (size_t)(rows * words) * 8, seed);
    if (draw(seed) % 8 == 0) memset(to, draw(seed) % 2 ? 0 : 255, (size_t)(rows * words) * 8); /* the largest sums */
    for (int64_t i = 0; k % 64 && i < rows; i++) to[i * words + words - 1] &= ~(uint64_t)0 >> (64 - k % 64);
    return to;
}

static void multiply(operands *o, const char *isa, int32_t *to) {
    const ob_epilogue e = {.output = OB_OUTPUT_INT32};
    const ob_dense_call call = {.m = o->m,
                                .n = o->n,
                                .k = o->k,
                                .x = o->x,
                                .weights = o->weights,
                                .weights_bytes = o->bytes,
                                .epilogue = &e,
                                .out = to};
    const char *ran;
    CHECK(ob_force(isa) == OB_OK, "%s", isa);
    const ob_status status = ob_dense(&call);
    CHECK(status == OB_OK && ob_ran("dense", &ran) == OB_OK && !strcmp(ran, isa), "%s: %s", isa,
          ob_status_text(status));
}

static void check_dense(int64_t m, int64_t n, int64_t k, uint64_t *seed) {
    operands o = {m, n, k, draw_bits(m, k, seed), draw_bits(n, k, seed), NULL, ob_weights_bytes(n, k), NULL, NULL};
    o.weights = malloc(o.bytes);
    CHECK(ob_weights_pack(o.rows, n, k, o.weights, o.bytes) == OB_OK, "pack");
    o.expected = malloc((size_t)(m * n) * 4), o.got = calloc((size_t)(m * n), 4);
    multiply(&o, "scalar", o.expected);
    const int64_t before = ob_tiles_products();
    multiply(&o, "amx", o.got);
    const int64_t tiles = (m + 15) / 16 * ((n + 15) / 16) * words_of(k), made = ob_tiles_products() - before;
    CHECK(!memcmp(o.got, o.expected, (size_t)(m * n) * 4), "m %d n %d k %d", (int)m, (int)n, (int)k);
    CHECK(made == tiles || (m > 64 && made > tiles), "m %d n %d k %d: %d tile products instead of %d", (int)m, (int)n,
          (int)k, (int)made, (int)tiles);
    CHECK(ob_tiles_configured() == 0, "a thread kept its tiles");
    free(o.x), free(o.rows), free(o.weights), free(o.expected), free(o.got);
}

static void check_kernels(void) {
    static const int64_t long_k[] = {1023, 1025, 2048, 4095, 4097, 8128, 8191, 8192, 8193, 8256, 16385, 65535, 65536};
    uint64_t seed = 11;
    for (int64_t m = 1; m <= 70; m++)
        for (int64_t n = 1; n <= 70; n++) check_dense(m, n, 1 + (int64_t)(draw(&seed) % 520), &seed);
    for (int64_t k = 1; k <= 520; k++) check_dense(1 + (int64_t)(draw(&seed) % 70), 1 + (int64_t)(k % 70), k, &seed);
    for (size_t i = 0; i < sizeof long_k / sizeof *long_k; i++) {
        check_dense(1 + (int64_t)(draw(&seed) % 40), 70 + (int64_t)(draw(&seed) % 40), long_k[i],
                    &seed); /* x is held */
        check_dense(70 + (int64_t)(draw(&seed) % 40), 1 + (int64_t)(draw(&seed) % 40), long_k[i],
                    &seed); /* w is held */
    }
}

int main(void) {
    uint64_t seed = 3;
    for (int rows = 1; rows <= 16; rows++)
        for (int depth = 1; depth <= 16; depth++) check_product(rows, depth, 1 + (int)(draw(&seed) % 16), &seed);
    check_faults();
    if (ob_force("amx") == OB_OK)
        check_kernels();
    else
        printf("test_tiles: the amx kernels did not run: this processor lacks AVX-512 or GFNI\n");
    return finish("test_tiles");
}
