/* fuzz_sign_gradients.h: the part of fuzz_calls.c for ob_sign_gradients, among what that defines. */
/* Half of them of a 3 x 3 kernel that keeps the size, with a gradient at most at one place of each 2 x 2: they go
 * another way. */
static void fuzz_sign_gradients(fuzz_memory *m, fuzz_input *in) {
    const int pooled = fuzz_byte(in) & 1;
    ob_sign_gradients_call c = {.batch = fuzz_size(in, 3), .height = fuzz_size(in, 12), .width = fuzz_size(in, 12)};
    c.c = fuzz_size(in, 80), c.n = fuzz_size(in, 40);
    if (fuzz_one_in(in, 24)) c.batch = 0;
    draw_window(in, c.kernel, c.stride, c.padding);
    for (int i = 0; i < 2; i++) c.dilation[i] = fuzz_one_in(in, 4) ? fuzz_int(in, 1, 3) : 1;
    for (int i = 0; i < 4 && pooled; i++) c.kernel[i % 2] = 3, c.stride[i % 2] = c.dilation[i % 2] = c.padding[i] = 1;
    c.pad_value = fuzz_int(in, -1, 1), c.stochastic = fuzz_one_in(in, 4), c.seed = fuzz_byte(in);
    c.executor = draw_executor(in);
    const ob_conv2d_call same = {.batch = c.batch,
                                 .height = c.height,
                                 .width = c.width,
                                 .c = c.c,
                                 .n = c.n,
                                 .groups = 1,
                                 .kernel = {c.kernel[0], c.kernel[1]},
                                 .stride = {c.stride[0], c.stride[1]},
                                 .padding = {c.padding[0], c.padding[1], c.padding[2], c.padding[3]},
                                 .dilation = {c.dilation[0], c.dilation[1]}};
    int64_t out[2] = {-1, -1};
    const ob_status geometry = ob_conv2d_output(&same, out);
    const int64_t values = FUZZ_PRODUCT(c.batch, c.height, c.width, c.c, 4);
    const int64_t weights = FUZZ_PRODUCT(c.n, c.kernel[0], c.kernel[1], c.c, 4);
    const int64_t upstream = geometry ? -1 : FUZZ_PRODUCT(c.batch, out[0], out[1], c.n, 4);
    if (values >= 0 && weights >= 0 && upstream >= 0) {
        const int64_t words = words_of(c.c) * 8;
        float *g = fuzz_typed(m, in, (size_t)upstream);
        for (int64_t i = 0; pooled && i < upstream / 4; i++)
            if (i / c.n % out[1] % 2 || i / c.n / out[1] % out[0] % 2) g[i] = 0;
        if (!fuzz_one_in(in, 32)) c.upstream = g;
        if (!fuzz_one_in(in, 32)) c.x = fuzz_typed(m, in, (size_t)(c.batch * c.height * c.width * words));
        if (!fuzz_one_in(in, 32)) c.w = fuzz_typed(m, in, (size_t)(c.n * c.kernel[0] * c.kernel[1] * words));
        if (fuzz_one_in(in, 2)) c.x_window = fuzz_typed(m, in, (size_t)values);
        if (fuzz_one_in(in, 2)) c.w_window = fuzz_typed(m, in, (size_t)weights);
        if (!fuzz_one_in(in, 4)) c.x_gradient = fuzz_typed(m, in, (size_t)values);
        if (!fuzz_one_in(in, 4)) c.w_gradient = fuzz_typed(m, in, (size_t)weights);
    }
    const size_t needed = ob_sign_gradients_workspace(&c);
    if (needed && needed <= FUZZ_WORK_BYTES) {
        c.workspace_bytes = fuzz_one_in(in, 16) ? needed - 1 - fuzz_byte(in) % needed : needed;
        c.workspace = fuzz_block(m, c.workspace_bytes, fuzz_byte(in) % 9);
    }
    const ob_status status = ob_sign_gradients(&c);
    FUZZ_LAW(!geometry || status, "no window, but taken");
    FUZZ_LAW(status || needed, "taken, but it has no workspace");
    judge(m, status, NULL, 0, 0);
}
