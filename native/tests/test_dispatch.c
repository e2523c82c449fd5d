/* test_dispatch.c: dispatch.c on a processor that it is not running on. The table is the real one; the kernels are
 * empty and ob_cpu is ours. */
#include "check.h"

#include "cpu.h"
#include "dispatch.h"
#include "kernels.h"

static uint32_t cpu;
uint32_t ob_cpu(void) {
    return cpu;
}

#define STUB_pack(isa)                                                             \
    void ob_pack_##isa(const float *x, int64_t rows, int64_t k, uint64_t *words) { \
        (void)x, (void)rows, (void)k, (void)words;                                 \
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

int main(void) {
    check_cpu(0);
    for (int i = 0; i < ROWS; i++) {
        check_cpu(rows[i].needs);
        for (uint32_t bit = 1; bit; bit <<= 1) /* one needed feature is missing */
            if (rows[i].needs & bit) check_cpu(rows[i].needs & ~bit);
    }
    check_cpu(~0u);
    return finish("test_dispatch");
}
