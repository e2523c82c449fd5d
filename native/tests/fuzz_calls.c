/* fuzz_calls.c: whatever a call of the C ABI says, it earns a status: no crash, no read or write outside of the memory
 * that it names, and nothing written if it is refused.
 *
 * With -DONEBIT_FUZZ=ON (clang) libFuzzer chooses the bytes. Without, this is a program that draws them:
 *   fuzz_calls [rounds] [seed]
 * A call that could be taken gets exactly the memory it needs, one that names more than that gets none: it must be
 * refused, for its sizes or for the NULL. */
#include "fuzz_input.h"

static int64_t words_of(int64_t k) {
    return k < 0 ? -1 : k / 64 + (k % 64 != 0);
}

static int is_status(ob_status status) {
    return status >= OB_OK && status < OB_STATUS_COUNT;
}

/* An array of n values, or NULL. */
static void *array(fuzz_memory *m, fuzz_input *in, int64_t n, int64_t size) {
    const int64_t bytes = FUZZ_PRODUCT(n, size);
    return bytes < 0 || fuzz_one_in(in, 32) ? NULL : fuzz_typed(m, in, (size_t)bytes);
}

/* An epilogue of m rows of n channels, and its output: n of -1 leaves it without arrays. Returns bytes of out. */
static int64_t draw_epilogue(fuzz_memory *m, fuzz_input *in, int64_t rows, int64_t n, ob_epilogue *e) {
    const int64_t known = FUZZ_PRODUCT(rows, n) < 0 ? -1 : n;
    int8_t *direction = array(m, in, known, 1);
    for (int64_t i = 0; direction && i < n; i++) direction[i] = i % 3 ? 1 : -1;
    if (direction && n > 0 && fuzz_one_in(in, 16)) direction[fuzz_byte(in) % n] = (int8_t)fuzz_byte(in);
    *e = (ob_epilogue){.output = fuzz_int(in, 1, 4),
                       .scale = array(m, in, known, 4),
                       .bias = array(m, in, known, 4),
                       .threshold = array(m, in, known, 4),
                       .direction = direction,
                       .activation = fuzz_int(in, 0, 2),
                       .low = array(m, in, known, 4),
                       .high = array(m, in, known, 4),
                       .slope = array(m, in, known, 4),
                       .residual_last = fuzz_int(in, 0, 1),
                       .float_threshold = array(m, in, known, 4)};
    const int64_t values = FUZZ_PRODUCT(rows, n, 4), bits = FUZZ_PRODUCT(rows, words_of(n), 8);
    if (fuzz_one_in(in, 3) && values >= 0) e->residual = fuzz_typed(m, in, (size_t)values);
    if (bits >= 0 && !fuzz_one_in(in, 32)) e->bits = fuzz_anywhere(m, in, (size_t)bits);
    return e->output == OB_OUTPUT_BITS ? bits : values;
}

/* Now and then a wrong byte in a handle's header (its first 24 name what it is for), or a handle that is too short. */
static void spoil(fuzz_memory *m, fuzz_input *in, unsigned char *handle, size_t *bytes) {
    const int wrong = fuzz_one_in(in, 12), shorter = fuzz_one_in(in, 24);
    if (wrong) handle[fuzz_byte(in) % 24] ^= (unsigned char)(1 + fuzz_byte(in) % 255);
    if (shorter) *bytes -= 1 + fuzz_byte(in) % *bytes;
    m->spoiled = wrong || shorter;
}

static void *small_handle(fuzz_memory *m, fuzz_input *in, size_t *bytes) {
    return fuzz_anywhere(m, in, *bytes = fuzz_byte(in)); /* as good as never a handle: shorter than one, or no magic */
}

static void *dense_weights(fuzz_memory *m, fuzz_input *in, int64_t n, int64_t k, size_t *bytes) {
    *bytes = ob_weights_bytes(n, k);
    const int64_t rows_bytes = FUZZ_PRODUCT(n, words_of(k), 8);
    if (!*bytes || *bytes > FUZZ_MOST_BYTES || rows_bytes < 0) return small_handle(m, in, bytes);
    uint64_t *rows = fuzz_typed(m, in, (size_t)rows_bytes);
    void *handle = fuzz_block(m, *bytes, fuzz_byte(in) % 9);
    FUZZ_LAW(ob_weights_pack(rows, n, k, handle, *bytes) == OB_OK, "n %lld k %lld", (long long)n, (long long)k);
    FUZZ_LAW(ob_weights_unpack(handle, *bytes, n, k, rows) == OB_OK, "n %lld k %lld", (long long)n, (long long)k);
    spoil(m, in, handle, bytes);
    FUZZ_LAW(is_status(ob_weights_unpack(handle, *bytes, n, k, rows)), "n %lld k %lld", (long long)n, (long long)k);
    return handle;
}

static void run_backwards(void *context, int64_t count, void (*task)(void *, int64_t), void *data) {
    (void)context;
    while (count-- > 0) task(data, count);
}

static const ob_executor *draw_executor(fuzz_input *in) {
    static const ob_executor executors[] = {
        {NULL, 3, run_backwards}, {NULL, 0, run_backwards}, {NULL, 2, NULL}, {NULL, 1025, run_backwards}};
    return fuzz_one_in(in, 8) ? &executors[fuzz_byte(in) % 4] : NULL;
}

/* The status of a call, and whether memory that it may only write when it is taken is untouched. */
static void judge(const fuzz_memory *m, ob_status status, const unsigned char *out, int64_t bytes, int known) {
    FUZZ_LAW(is_status(status), "status %d", (int)status);
    FUZZ_LAW(known || status != OB_OK || bytes == 0, "a call without memory was taken");
    FUZZ_LAW(!m->spoiled || status != OB_OK, "a wrong handle was taken");
    for (int64_t i = 0; status && out && i < bytes; i++) FUZZ_LAW(out[i] == 0xa5, "written, then refused: %d", status);
}

static void fuzz_dense(fuzz_memory *m, fuzz_input *in) {
    const int u8 = fuzz_byte(in) & 1, s8 = u8 && fuzz_one_in(in, 2);
    ob_epilogue e;
    ob_dense_call c = {.m = fuzz_size(in, 40), .n = fuzz_size(in, 200), .k = fuzz_size(in, 600), .epilogue = &e};
    if (fuzz_one_in(in, 24)) c.m = 0;
    c.executor = draw_executor(in);
    c.weights = dense_weights(m, in, c.n, c.k, &c.weights_bytes);
    const int64_t x_bytes = u8 ? FUZZ_PRODUCT(c.m, c.k) : FUZZ_PRODUCT(c.m, words_of(c.k), 8);
    const int64_t out_bytes = draw_epilogue(m, in, c.m, c.n, &e);
    const int known = x_bytes >= 0 && out_bytes >= 0;
    const size_t needed = (s8   ? ob_dense_s8_workspace
                           : u8 ? ob_dense_u8_workspace
                                : ob_dense_workspace)(c.m, c.n, c.k, fuzz_int(in, 1, 4));
    if (known && !fuzz_one_in(in, 32)) c.x = fuzz_anywhere(m, in, (size_t)x_bytes);
    if (known && !fuzz_one_in(in, 32)) c.out = fuzz_block(m, (size_t)out_bytes, fuzz_byte(in) % 9);
    if (needed <= FUZZ_MOST_BYTES) {
        c.workspace_bytes = needed && fuzz_one_in(in, 16) ? needed - 1 : needed;
        c.workspace = fuzz_block(m, c.workspace_bytes, 0);
    }
    if (fuzz_one_in(in, 64)) c.epilogue = NULL;
    judge(m, (s8 ? ob_dense_s8 : u8 ? ob_dense_u8 : ob_dense)(&c), c.out, out_bytes, c.x && c.out);
}

static void *conv_weights(fuzz_memory *m, fuzz_input *in, const ob_conv2d_call *c, size_t *bytes) {
    *bytes = ob_conv_weights_bytes(c->n, c->c, c->groups, c->kernel);
    if (!*bytes || *bytes > FUZZ_MOST_BYTES) return small_handle(m, in, bytes);
    const int64_t rows_bytes = FUZZ_PRODUCT(c->n, c->kernel[0], c->kernel[1], words_of(c->c / c->groups), 8);
    if (rows_bytes < 0) return small_handle(m, in, bytes);
    uint64_t *rows = fuzz_typed(m, in, (size_t)rows_bytes);
    void *handle = fuzz_block(m, *bytes, fuzz_byte(in) % 9);
    FUZZ_LAW(!ob_conv_weights_pack(rows, c->n, c->c, c->groups, c->kernel, handle, *bytes), "pack");
    FUZZ_LAW(!ob_conv_weights_unpack(handle, *bytes, c->n, c->c, c->groups, c->kernel, rows), "unpack");
    spoil(m, in, handle, bytes);
    const ob_status status = ob_conv_weights_unpack(handle, *bytes, c->n, c->c, c->groups, c->kernel, rows);
    FUZZ_LAW(is_status(status), "status %d", status);
    return handle;
}

static void draw_window(fuzz_input *in, int32_t kernel[2], int32_t stride[2], int32_t padding[4]) {
    for (int i = 0; i < 2; i++) kernel[i] = fuzz_int(in, 1, 4), stride[i] = fuzz_int(in, 1, 3);
    for (int i = 0; i < 4; i++) padding[i] = fuzz_one_in(in, 2) ? fuzz_int(in, 0, 3) : 0;
}

static void fuzz_conv2d(fuzz_memory *m, fuzz_input *in) {
    const int u8 = fuzz_byte(in) & 1, s8 = u8 && fuzz_one_in(in, 2);
    ob_epilogue e;
    ob_conv2d_call c = {.batch = fuzz_size(in, 3), .height = fuzz_size(in, 12), .width = fuzz_size(in, 12)};
    int64_t out[2] = {-1, -1};
    c.groups = fuzz_one_in(in, 3) ? fuzz_int(in, 1, 6) : 1;
    c.c = fuzz_size(in, 80), c.n = fuzz_size(in, 80);
    const int small = c.c > 0 && c.c < 1000 && c.n > 0 && c.n < 1000;
    if (c.groups > 1 && small && !fuzz_one_in(in, 8)) c.c *= c.groups, c.n *= c.groups;
    if (fuzz_one_in(in, 24)) c.batch = 0;
    draw_window(in, c.kernel, c.stride, c.padding);
    for (int i = 0; i < 2; i++) c.dilation[i] = fuzz_one_in(in, 4) ? fuzz_int(in, 1, 3) : 1;
    c.pad_value = fuzz_int(in, -1, 1), c.multiplier = fuzz_int(in, -3, 3), c.offset = fuzz_int(in, -9, 9);
    c.executor = draw_executor(in), c.epilogue = &e;
    const ob_status geometry = ob_conv2d_output(&c, out);
    c.weights = conv_weights(m, in, &c, &c.weights_bytes);
    const size_t needed = (s8   ? ob_conv2d_s8_workspace
                           : u8 ? ob_conv2d_u8_workspace
                                : ob_conv2d_workspace)(&c, fuzz_int(in, 1, 4));
    const int64_t pixels = geometry ? -1 : FUZZ_PRODUCT(c.batch, out[0], out[1]);
    const int64_t x_bytes = FUZZ_PRODUCT(c.batch, c.height, c.width, u8 ? c.c : words_of(c.c), u8 ? 1 : 8);
    const int64_t out_bytes = draw_epilogue(m, in, pixels, c.n, &e);
    const int known = x_bytes >= 0 && out_bytes >= 0 && needed && needed <= FUZZ_MOST_BYTES;
    FUZZ_LAW(geometry ? is_status(geometry) : out[0] > 0 && out[1] > 0, "%d: %lld", geometry, (long long)out[0]);
    if (known && !fuzz_one_in(in, 32)) c.x = fuzz_anywhere(m, in, (size_t)x_bytes);
    if (known && !fuzz_one_in(in, 32)) c.out = fuzz_block(m, (size_t)out_bytes, fuzz_byte(in) % 9);
    if (known) {
        c.workspace_bytes = fuzz_one_in(in, 16) ? needed - 1 - fuzz_byte(in) % needed : needed;
        c.workspace = fuzz_block(m, c.workspace_bytes, fuzz_byte(in) % 9);
    }
    const ob_status status = (s8 ? ob_conv2d_s8 : u8 ? ob_conv2d_u8 : ob_conv2d)(&c);
    FUZZ_LAW(!geometry || status, "no window, but taken");
    FUZZ_LAW(status || needed, "taken, but it has no workspace");
    judge(m, status, c.out, out_bytes, c.x && c.out && c.workspace_bytes == needed);
}

static void fuzz_max_pool2d(fuzz_memory *m, fuzz_input *in) {
    ob_max_pool2d_call c = {
        .batch = fuzz_size(in, 3), .height = fuzz_size(in, 12), .width = fuzz_size(in, 12), .c = fuzz_size(in, 200)};
    int64_t out[2] = {-1, -1};
    if (fuzz_one_in(in, 24)) c.batch = 0;
    draw_window(in, c.kernel, c.stride, c.padding);
    c.executor = draw_executor(in);
    const ob_status geometry = ob_max_pool2d_output(&c, out);
    const int64_t words = words_of(c.c), x_bytes = FUZZ_PRODUCT(c.batch, c.height, c.width, words, 8);
    const int64_t out_bytes = geometry ? -1 : FUZZ_PRODUCT(c.batch, out[0], out[1], words, 8);
    const int known = x_bytes >= 0 && out_bytes >= 0;
    if (known && !fuzz_one_in(in, 32)) c.x = fuzz_anywhere(m, in, (size_t)x_bytes);
    if (known && !fuzz_one_in(in, 32)) c.out = fuzz_block(m, (size_t)out_bytes, fuzz_byte(in) % 9);
    c.minimum = array(m, in, known ? words : -1, 8);
    const ob_status status = ob_max_pool2d(&c);
    FUZZ_LAW(!geometry || status, "no window, but taken");
    judge(m, status, c.out, out_bytes, c.x && c.out);
}

#include "fuzz_sign_gradients.h"

static void fuzz_pack(fuzz_memory *m, fuzz_input *in) {
    ob_pack_call c = {.batch = fuzz_size(in, 5), .places = fuzz_size(in, 90), .c = fuzz_size(in, 150)};
    if (fuzz_one_in(in, 24)) c.batch = 0;
    c.type = fuzz_int(in, OB_TYPE_F32, OB_TYPE_S8), c.layout = fuzz_int(in, OB_CHANNELS_LAST, OB_CHANNELS_FIRST);
    const int64_t rows = FUZZ_PRODUCT(c.batch, c.places), value = c.type == OB_TYPE_F32 ? 4
                                                                  : c.type < OB_TYPE_U8 ? 2
                                                                                        : 1;
    const int64_t bytes = FUZZ_PRODUCT(rows, c.c, value), out_bytes = FUZZ_PRODUCT(rows, words_of(c.c), 8);
    const int known = bytes >= 0 && out_bytes >= 0;
    if (known && !fuzz_one_in(in, 32)) c.x = fuzz_anywhere(m, in, (size_t)bytes);
    if (known && !fuzz_one_in(in, 32)) c.out = fuzz_block(m, (size_t)out_bytes, fuzz_byte(in) % 9);
    if (known && fuzz_one_in(in, 2)) {
        int8_t *direction = array(m, in, c.c, 1);
        for (int64_t i = 0; direction && i < c.c; i++) direction[i] = i % 3 ? 1 : -1;
        if (direction && c.c > 0 && fuzz_one_in(in, 16)) direction[fuzz_byte(in) % c.c] = (int8_t)fuzz_byte(in);
        c.threshold = array(m, in, c.c, 4), c.direction = direction;
    }
    if (fuzz_one_in(in, 4)) c.drawn = 1, c.seed = (uint32_t)fuzz_byte(in);
    c.executor = draw_executor(in);
    judge(m, ob_pack(&c), c.out, out_bytes, c.x && c.out);
}

static void fuzz_unpack(fuzz_memory *m, fuzz_input *in) {
    const int64_t rows = fuzz_one_in(in, 24) ? 0 : fuzz_size(in, 20), k = fuzz_size(in, 300);
    const int64_t bytes = FUZZ_PRODUCT(rows, k, 4), bits = FUZZ_PRODUCT(rows, words_of(k), 8);
    const int known = bytes >= 0 && bits >= 0;
    void *words = known && !fuzz_one_in(in, 32) ? fuzz_typed(m, in, (size_t)bits) : NULL;
    void *x = known && !fuzz_one_in(in, 32) ? fuzz_block(m, (size_t)bytes, 8 * (fuzz_byte(in) % 2)) : NULL;
    judge(m, ob_unpack_f32(words, rows, k, x, draw_executor(in)), x, bytes, words && x);
}

static void fuzz_names(fuzz_memory *m, fuzz_input *in) {
    static const char *const names[] = {"dense", "conv2d", "", "no such name", "scalar", "avx2", "pack", "dense\377"};
    const char *name = fuzz_one_in(in, 8) ? NULL : names[fuzz_byte(in) % 8], *isa;
    ob_kernel_row row;
    (void)m;
    FUZZ_LAW(is_status(ob_force(name)) && is_status(ob_force(NULL)), "force");
    FUZZ_LAW(is_status(ob_active(name, fuzz_one_in(in, 8) ? NULL : &isa)), "active");
    FUZZ_LAW(is_status(ob_ran(name, fuzz_one_in(in, 8) ? NULL : &isa)), "ran");
    FUZZ_LAW(is_status(ob_kernel(fuzz_int(in, 0, 60), fuzz_one_in(in, 8) ? NULL : &row)), "kernel");
    FUZZ_LAW(ob_status_text(fuzz_int(in, 0, OB_STATUS_COUNT)) != NULL, "text");
    const int32_t threads = fuzz_int(in, 1, 3);
    FUZZ_LAW(is_status(threads < 5 || threads > 1024 ? ob_set_threads(threads) : OB_OK), "threads");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const fuzz[])(fuzz_memory *, fuzz_input *) = {fuzz_dense,  fuzz_conv2d, fuzz_max_pool2d,
                                                                fuzz_pack,   fuzz_dense,  fuzz_conv2d,
                                                                fuzz_unpack, fuzz_names,  fuzz_sign_gradients};
    fuzz_input in = {data, size};
    fuzz_memory memory = {.count = 0};
    fuzz[fuzz_byte(&in) % 9](&memory, &in);
    fuzz_memory_end(&memory);
    return 0;
}

#if !defined(OB_LIBFUZZER)
/* Bytes of a linear congruential generator, from its best bits. */
int main(int count, char **arguments) {
    const long rounds = count > 1 ? atol(arguments[1]) : 20000;
    uint64_t state = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    uint8_t data[160];
    for (long round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof data; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[i] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(data, sizeof data);
    }
    printf("fuzz_calls: passed\n");
    return 0;
}
#endif
