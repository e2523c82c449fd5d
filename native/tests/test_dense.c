/* test_dense.c: every kernel of ob_dense, ob_dense_u8 and _s8 that this CPU can run computes the sums of an obvious
 * loop over signs, through every epilogue, at every awkward size, whatever the threads, and touches nothing else. */
#include "epilogues.h"

enum { SIGNED = 2 };

typedef struct problem {
    int u8; /* 0: x is bits, 1: bytes from 0 on, SIGNED: bytes from -128 on */
    int64_t m, n, k;
    void *x; /* exactly m rows, no byte more; may stand at an odd address */
    unsigned char *weights;
    size_t weights_bytes;
    int32_t *sums; /* (m, n): the truth */
    epilogues all;
    void *x_memory;
} problem;

static int sign(const uint64_t *words, int64_t i) {
    return words[i / 64] >> i % 64 & 1 ? -1 : 1;
}

/* The definition, on unpacked numbers: it shares nothing with the kernels but the meaning of a bit. */
static void obvious_sums(const problem *p, const int *x, const int *w) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            int32_t y = 0;
            for (int64_t l = 0; l < p->k; l++) y += x[i * p->k + l] * w[j * p->k + l];
            p->sums[i * p->n + j] = y;
        }
}

static problem problem_new(int u8, int64_t m, int64_t n, int64_t k, uint64_t seed) {
    problem p = {.u8 = u8, .m = m, .n = n, .k = k};
    const int words = words_of(k);
    uint64_t *rows = malloc((size_t)n * words * 8);
    int *x = malloc((size_t)(m * k + 1) * sizeof *x), *w = malloc((size_t)(n * k) * sizeof *w);
    fill(rows, (size_t)n * words * 8, &seed);
    const int extreme = draw(&seed) % 4 == 0; /* the largest sums: every product has the same sign */
    if (extreme) memset(rows, u8 ? 0xff : 0, (size_t)n * words * 8); /* bits: all differ; bytes: all are subtracted */
    for (int64_t j = 0; k % 64 && j < n; j++) rows[j * words + words - 1] &= ~(uint64_t)0 >> (64 - k % 64);
    for (int64_t i = 0; i < n * k; i++) w[i] = sign(rows + i / k * words, i % k);
    p.weights_bytes = ob_weights_bytes(n, k);
    p.weights = malloc(p.weights_bytes);
    CHECK(ob_weights_pack(rows, n, k, p.weights, p.weights_bytes) == OB_OK, "n %d k %d", (int)n, (int)k);
    uint64_t *back = malloc((size_t)n * words * 8);
    CHECK(ob_weights_unpack(p.weights, p.weights_bytes, n, k, back) == OB_OK, "n %d k %d", (int)n, (int)k);
    CHECK(!memcmp(back, rows, (size_t)n * words * 8), "weights_unpack inverts weights_pack, n %d k %d", (int)n, (int)k);
    free(back), free(rows);

    const size_t bytes = (size_t)(u8 ? m * k : m * words * 8), shift = draw(&seed) % 16;
    p.x_memory = malloc(bytes + shift + 1);
    unsigned char *to = p.x = (unsigned char *)p.x_memory + shift;
    fill(to, bytes, &seed);
    if (extreme) memset(to, u8 == SIGNED ? 128 : 255, bytes);
    for (int64_t i = 0; i < m; i++) {
        if (u8) {
            for (int64_t l = 0; l < k; l++) x[i * k + l] = u8 == SIGNED ? (int8_t)to[i * k + l] : to[i * k + l];
            continue;
        }
        uint64_t last;
        unsigned char *end = to + (i * words + words - 1) * 8;
        memcpy(&last, end, 8);
        if (k % 64) last &= ~(uint64_t)0 >> (64 - k % 64);
        memcpy(end, &last, 8);
        for (int64_t l = 0; l < k; l++) x[i * k + l] = to[i * words * 8 + l / 8] >> l % 8 & 1 ? -1 : 1;
    }
    p.sums = malloc((size_t)(m * n + 1) * 4);
    obvious_sums(&p, x, w);
    free(x), free(w);
    p.all = (epilogues){.m = m, .n = n, .sums = p.sums};
    epilogues_draw(&p.all, &seed);
    return p;
}

static void problem_free(problem *p) {
    free(p->x_memory), free(p->weights), free(p->sums);
    epilogues_free(&p->all);
}

typedef struct one_run {
    const problem *p;
    const ob_executor *executor;
} one_run;

static ob_status run_dense(void *context, const ob_epilogue *e, void *out) {
    const one_run *r = context;
    const problem *p = r->p;
    ob_dense_call call = {.m = p->m,
                          .n = p->n,
                          .k = p->k,
                          .x = p->x,
                          .weights = p->weights,
                          .weights_bytes = p->weights_bytes,
                          .epilogue = e,
                          .out = out,
                          .executor = r->executor};
    if (p->u8 != SIGNED) return p->u8 ? ob_dense_u8(&call) : ob_dense(&call);
    guarded workspace = guarded_new(ob_dense_s8_workspace(p->m, p->n, p->k, 3));
    call.workspace = workspace.data, call.workspace_bytes = workspace.bytes;
    const ob_status status = ob_dense_s8(&call);
    CHECK(guarded_intact(&workspace), "wrote outside of the workspace");
    call.workspace_bytes -= 1;
    CHECK(!p->m || ob_dense_s8(&call) == OB_ERROR_WORKSPACE, "a small workspace was taken");
    free(workspace.all);
    return status;
}

/* One call of one epilogue on the active kernel, compared byte for byte. */
static void check_output(const problem *p, int variant, const ob_executor *executor, const char *isa) {
    char what[160];
    one_run r = {p, executor};
    const char *op = p->u8 ? "dense_u8" : "dense", *ran;
    snprintf(what, sizeof what, "%s %s m %d n %d k %d", isa, op, (int)p->m, (int)p->n, (int)p->k);
    check_epilogue(&p->all, variant, run_dense, &r, what);
    ob_ran(op, &ran);
    CHECK(!strcmp(ran, isa), "%s ran instead of %s", ran, isa);
}

/* An executor of the caller: runs the tasks backwards, one after the other. */
static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    *(int64_t *)context += count;
    while (count-- > 0) task(data, count);
}

static void check_size(int u8, int64_t m, int64_t n, int64_t k) {
    problem p = problem_new(u8, m, n, k, (uint64_t)(((m * 4099 + n) * 4099 + k) * 2 + u8));
    int64_t ran = 0;
    const ob_executor backwards = {&ran, 5, run_backwards};
    ob_kernel_row row;
    for (int32_t i = 0; ob_kernel(i, &row) == OB_OK; i++) {
        if (strcmp(row.op, u8 ? "dense_u8" : "dense") || !row.available) continue;
        CHECK(ob_force(row.isa) == OB_OK, "%s", row.isa);
        /* int32 and bits always, the many float epilogues in turn */
        const int turn = (int)((m + n + k) % 6);
        for (int v = 0; v < EPILOGUES; v = v < EPILOGUE_BITS ? v + 1 : v < EPILOGUE_FLOATS ? 2 + turn : v + 6) {
            const int32_t threads = 1 + (int32_t)((m + n + k + v) % 3);
            CHECK(ob_set_threads(threads) == OB_OK, "%d", threads);
            check_output(&p, v, NULL, row.isa);
            if (v < EPILOGUE_FLOATS + 6) check_output(&p, v, &backwards, row.isa);
        }
    }
    ob_force(NULL);
    problem_free(&p);
}

int main(void) {
    static const int edges[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};
    static const int long_edges[] = {191,  192,  193,  255,  256,  257,  511,  512,  513,  1000,
                                     1535, 1536, 1537, 1984, 1985, 2047, 2048, 2049, 4095, 4097};
    enum { EDGES = sizeof edges / sizeof *edges, LONG = sizeof long_edges / sizeof *long_edges };
    uint64_t seed = 7;
    for (int u8 = 0; u8 <= SIGNED; u8++) {
        for (int a = 0; a < EDGES; a++)
            for (int b = 0; b < EDGES; b++) { /* n x k in full; m meets every edge as well */
                check_size(u8, edges[draw(&seed) % EDGES], edges[a], edges[b]);
                if (b % 3 == 0) check_size(u8, edges[a], edges[b], edges[draw(&seed) % EDGES]);
            }
        for (int a = 0; a < LONG; a++) {
            for (int m = 1; m <= 14; m += 1 + (int)(draw(&seed) % 3))
                check_size(u8, m, 1 + (int64_t)(draw(&seed) % 140), long_edges[a]);  /* k blocks */
            check_size(u8, 1 + (int64_t)(draw(&seed) % 70), long_edges[a] / 2, 65);  /* many panels */
            check_size(u8, long_edges[a] / 4, 70, 1 + (int64_t)(draw(&seed) % 200)); /* many tiles */
        }
        check_size(u8, 0, 5, 70);
        check_size(u8, 300, 190, 1600); /* shared out over rows and channels */
        for (int i = 0; i < 4; i++)     /* many rows, channels and words, odd: two words at once */
            check_size(u8, 63 + i, 512 + 13 * i, 4097 + 128 * i);
        check_size(u8, 130, 514, 2049), check_size(u8, 70, 512, 8192), check_size(u8, 64, 520, 8193);
        check_size(u8, 1, 3000, 1700);
        check_size(u8, 2, 9, 70000);
        for (int m = 4; m < 12; m++) { /* where sums of 8 bits, and then of 16, could overflow if all differ */
            check_size(u8, m, 17, 32760 + m);
            check_size(u8, m, 17, 65535 + m);
        }
    }
    return finish("test_dense");
}
