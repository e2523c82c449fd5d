/* test_dispatch.c: dispatch.c and cost.c on processors that they are not running on. The tables are the real ones; the
 * kernels are empty and ob_cpu is ours. */
#include "check.h"

#include <math.h>

#include "cpu.h"
#include "dispatch.h"
#include "kernels.h"

static uint32_t cpu;
uint32_t ob_cpu(void) {
    return cpu;
}

#define STUB_pack(isa)                                                      \
    void ob_pack_##isa(const ob_pack_job *job, int64_t row, int64_t rows) { \
        (void)job, (void)row, (void)rows;                                   \
    }
#define STUB_unpack(isa)                                                             \
    void ob_unpack_##isa(const uint64_t *words, int64_t rows, int64_t k, float *x) { \
        (void)x, (void)rows, (void)k, (void)words;                                   \
    }
#define STUB_dense(isa)                                                       \
    void ob_dense_##isa(const ob_dense_job *job, const ob_dense_part *part) { \
        (void)job, (void)part;                                                \
    }
#define STUB_dense_u8(isa)                                                       \
    void ob_dense_u8_##isa(const ob_dense_job *job, const ob_dense_part *part) { \
        (void)job, (void)part;                                                   \
    }
#define STUB_conv2d(isa)                                                        \
    void ob_conv2d_##isa(const ob_conv2d_job *job, const ob_dense_part *part) { \
        (void)job, (void)part;                                                  \
    }
#define STUB_conv2d_u8(isa)                                                        \
    void ob_conv2d_u8_##isa(const ob_conv2d_job *job, const ob_dense_part *part) { \
        (void)job, (void)part;                                                     \
    }
#define STUB_float_steps(isa)                                                                                   \
    void ob_float_steps_##isa(const ob_epilogue *e, unsigned char *out, int64_t n, const ob_dense_part *part) { \
        (void)e, (void)out, (void)n, (void)part;                                                                \
    }
#define STUB_max_pool2d(isa)                                                            \
    void ob_max_pool2d_##isa(const ob_max_pool2d_job *job, int64_t row, int64_t rows) { \
        (void)job, (void)row, (void)rows;                                               \
    }
#define STUB_gradient_maxima(isa)                                                                       \
    void ob_gradient_maxima_##isa(const float *g, int64_t rows, int64_t n, int32_t *all, int32_t *of) { \
        (void)g, (void)rows, (void)n, (void)all, (void)of;                                              \
    }
#define STUB_gradient_bytes(isa)                                                                                 \
    void ob_gradient_bytes_##isa(const ob_gradient_bytes_job *job, int64_t quad, int64_t quads, int32_t *sums) { \
        (void)job, (void)quad, (void)quads, (void)sums;                                                          \
    }
#define STUB_sign_panel(isa)                                                                              \
    void ob_sign_panel_##isa(const unsigned char *const *words, int64_t quads, const signed char fill[3], \
                             unsigned char *panel) {                                                      \
        (void)words, (void)quads, (void)fill, (void)panel;                                                \
    }
#define STUB_gradient_windows(isa)                           \
    const ob_window_steps *ob_gradient_windows_##isa(void) { \
        return NULL;                                         \
    }
#define STUB_gradient_lookup(isa)                           \
    const ob_lookup_steps *ob_gradient_lookup_##isa(void) { \
        return NULL;                                        \
    }
#define STUB_gradient_x(isa)                                               \
    void ob_gradient_x_##isa(const ob_gradient_x_job *job, int64_t rows) { \
        (void)job, (void)rows;                                             \
    }
#define STUB_gradient_w(isa)                                 \
    void ob_gradient_w_##isa(const ob_gradient_w_job *job) { \
        (void)job;                                           \
    }
#define OB_KERNEL(op, isa, needs) STUB_##op(isa)
#include "kernels.def"

static const struct {
    const char *op, *isa;
    uint32_t needs;
} rows[] = {
#define OB_KERNEL(op, isa, needs) {#op, #isa, needs},
#include "kernels.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

static void check_cpu(uint32_t features) {
    cpu = features;
    for (int i = 0; i < ROWS; i++) {
        ob_kernel_row row;
        const int available = (rows[i].needs & features) == rows[i].needs;
        CHECK(ob_kernel(i, &row) == OB_OK && row.available == available, "%s %s", rows[i].op, rows[i].isa);
        const ob_status status = ob_force(rows[i].isa), expected = available ? OB_OK : OB_ERROR_ISA_ABSENT;
        CHECK(status == expected, "%s %s: %s", rows[i].op, rows[i].isa, ob_status_text(status));
        CHECK(ob_force(NULL) == OB_OK, "the scalar row always runs");
        const char *isa;
        int best = i; /* the first row of the operator that the processor can run */
        while (best > 0 && !strcmp(rows[best - 1].op, rows[i].op)) best--;
        while ((rows[best].needs & features) != rows[best].needs) best++;
        CHECK(ob_active(rows[i].op, &isa) == OB_OK && !strcmp(isa, rows[best].isa), "%s: %s", rows[i].op, isa);
    }
}

/* ---- the choice by shape ---- */

/* The estimates of a product of bits: of `isa`, or, where that is NULL, of the kernel chosen. isa "" if there is none.
 */
static ob_estimate estimate(const char *op, ob_shape shape, int32_t threads, const char *isa) {
    ob_estimate e, found = {"", INFINITY, 0};
    int chosen = 0;
    for (int32_t row = 0; ob_estimate_kernel(op, &shape, threads, row, &e) == OB_OK; row++) {
        chosen += e.chosen;
        if (isa ? !strcmp(isa, e.isa) : e.chosen) found = e;
    }
    CHECK(chosen == 1, "%s: %d kernels are chosen", op, chosen);
    return found;
}

static ob_shape whole_words(int64_t m, int64_t n, int64_t k) {
    return (ob_shape){m, n, k, (k + 63) / 64, 1};
}

static const int64_t sizes[] = {1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 64, 100, 512, 1000, 4096, 70000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Every kernel of a product has constants; more work never takes less; the chosen one takes least. */
static void check_estimates(const char *op, const char *isa, uint32_t features) {
    cpu = features;
    for (int i = 0; i < SIZES * SIZES * SIZES; i++) {
        const int a = i % SIZES, b = i / SIZES % SIZES, c = i / SIZES / SIZES;
        const ob_shape shape = whole_words(sizes[a], sizes[b], sizes[c]);
        const int32_t threads = 1 + i % 3;
        const double ns = estimate(op, shape, threads, isa).ns;
        CHECK(ns > 0 && ns < 1e18, "%s %s has no constants in cost.def", op, isa);
        CHECK(estimate(op, shape, threads, NULL).ns <= ns, "%s is faster than the choice", isa);
        CHECK(estimate(op, shape, threads + 1, isa).ns <= ns, "another thread costs");
        const int more_a = a + 1 < SIZES ? a + 1 : a, more_b = b + 1 < SIZES ? b + 1 : b, more_c = c + 1 < SIZES;
        CHECK(estimate(op, whole_words(sizes[more_a], sizes[b], sizes[c]), threads, isa).ns >= ns, "more rows");
        CHECK(estimate(op, whole_words(sizes[a], sizes[more_b], sizes[c]), threads, isa).ns >= ns, "more channels");
        CHECK(estimate(op, whole_words(sizes[a], sizes[b], sizes[c + more_c]), threads, isa).ns >= ns, "more terms");
    }
}

#if defined(__x86_64__)
static const char *chosen(const char *op, int64_t m, int64_t n, int64_t k) {
    return estimate(op, whole_words(m, n, k), 1, NULL).isa;
}
#endif

static void check_products(void) {
    for (int i = 0; i < ROWS; i++)
        if (!strcmp(rows[i].op, "dense") || !strcmp(rows[i].op, "conv2d"))
            check_estimates(rows[i].op, rows[i].isa, rows[i].needs);
#if defined(__x86_64__)
    const ob_shape depthwise = {3136, 64, 9, 9, 0};
    const char *isa;
    cpu = OB_NEEDS_AVX512VPOPCNT; /* measured: popcount is faster than what does without, at every size */
    for (int i = 0; i < SIZES * SIZES * SIZES; i++)
        CHECK(!strcmp(chosen("dense", sizes[i % SIZES], sizes[i / SIZES % SIZES], sizes[i / SIZES / SIZES]),
                      "avx512vpopcnt"),
              "size %d", i);
    cpu = OB_NEEDS_AMX | OB_NEEDS_AVX2;
    CHECK(!strcmp(chosen("dense", 4096, 4096, 4096), "amx"), "large");
    CHECK(!strcmp(chosen("conv2d", 3136, 64, 576), "amx"), "a convolution of a picture");
    CHECK(!strcmp(chosen("dense", 1, 4096, 4096), "avx512vpopcnt"), "one row would waste 15 of 16");
    CHECK(!strcmp(chosen("dense", 16, 16, 64), "avx512vpopcnt"), "too short to fill the tiles");
    CHECK(!strcmp(estimate("conv2d", depthwise, 1, NULL).isa, "avx512vpopcnt"), "tiles have no masks");
    CHECK(isinf(estimate("conv2d", depthwise, 1, "amx").ns), "tiles have no masks");
    CHECK(ob_force("amx") == OB_OK && !strcmp(chosen("dense", 1, 4096, 4096), "amx"), "forced");
    CHECK(!strcmp(estimate("conv2d", depthwise, 1, NULL).isa, "avx512vpopcnt"), "forced where it cannot");
    CHECK(ob_active("dense", &isa) == OB_OK && !strcmp(isa, "amx"), "%s", isa);
    CHECK(ob_active("pack", &isa) == OB_OK && !strcmp(isa, "avx512bw"), "pack has no kernel for tiles: %s", isa);
    CHECK(ob_force("avx2") == OB_OK && !strcmp(chosen("dense", 4096, 4096, 4096), "avx2"), "forced");
    CHECK(ob_force(NULL) == OB_OK && !strcmp(chosen("dense", 4096, 4096, 4096), "amx"), "no longer forced");
#endif
    ob_estimate e;
    ob_shape shape = whole_words(5, 6, 7);
    CHECK(ob_estimate_kernel("pack", &shape, 1, 0, &e) == OB_OK && e.ns == -1 && e.chosen, "pack is not modelled");
    CHECK(ob_estimate_kernel("dense", &shape, 1, 99, &e) == OB_ERROR_SIZE, "past the last row");
    CHECK(ob_estimate_kernel("dense", NULL, 1, 0, &e) == OB_ERROR_NULL, "no shape");
    CHECK(ob_estimate_kernel("dance", &shape, 1, 0, &e) == OB_ERROR_OP_UNKNOWN, "no such operator");
    CHECK(ob_estimate_kernel("dense", &shape, 0, 0, &e) == OB_ERROR_THREADS, "no threads");
    shape.n = 0;
    CHECK(ob_estimate_kernel("dense", &shape, 1, 0, &e) == OB_ERROR_SIZE, "no channels");
}

int main(void) {
    check_cpu(0);
    for (int i = 0; i < ROWS; i++) {
        check_cpu(rows[i].needs);
        for (uint32_t bit = 1; bit; bit <<= 1) /* one needed feature is missing */
            if (rows[i].needs & bit) check_cpu(rows[i].needs & ~bit);
    }
    check_cpu(~0u);
    check_products();
    return finish("test_dispatch");
}
