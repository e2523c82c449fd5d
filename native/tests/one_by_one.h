/* one_by_one.h: the values of a random network, operator by operator. */
#ifndef ONEBIT_TESTS_ONE_BY_ONE_H
#define ONEBIT_TESTS_ONE_BY_ONE_H

#include "random_network.h"

static inline const void *array_of(const random_network *r, const ob_step *s, int a) {
    return s->arrays[a] < 0 ? NULL : r->constants[s->arrays[a]];
}

static inline ob_epilogue whole_epilogue(const random_network *r, const ob_step *s, void **values) {
    ob_epilogue e = s->epilogue;
    e.scale = array_of(r, s, OB_ARRAY_SCALE), e.bias = array_of(r, s, OB_ARRAY_BIAS);
    e.threshold = array_of(r, s, OB_ARRAY_THRESHOLD), e.direction = array_of(r, s, OB_ARRAY_DIRECTION);
    e.low = array_of(r, s, OB_ARRAY_LOW), e.high = array_of(r, s, OB_ARRAY_HIGH);
    e.slope = array_of(r, s, OB_ARRAY_SLOPE), e.float_threshold = array_of(r, s, OB_ARRAY_FLOAT_THRESHOLD);
    e.residual = s->residual < 0 ? NULL : values[s->residual];
    e.bits = s->bits < 0 ? NULL : values[s->bits];
    return e;
}

static inline ob_status run_dense(const random_network *r, const ob_step *s, int64_t batch, void **values) {
    const ob_epilogue e = whole_epilogue(r, s, values);
    ob_dense_call c = s->call.dense;
    c.m *= batch, c.x = values[s->x], c.out = values[s->out], c.epilogue = &e;
    c.weights = array_of(r, s, OB_ARRAY_WEIGHTS), c.weights_bytes = ob_weights_bytes(c.n, c.k);
    c.workspace_bytes = ob_dense_s8_workspace(c.m, c.n, c.k, 1);
    void *workspace = c.workspace = malloc(c.workspace_bytes);
    const ob_status status = s->op == OB_STEP_DENSE      ? ob_dense(&c)
                             : s->op == OB_STEP_DENSE_U8 ? ob_dense_u8(&c)
                                                         : ob_dense_s8(&c);
    free(workspace);
    return status;
}

static inline ob_status run_conv2d(const random_network *r, const ob_step *s, int64_t batch, void **values) {
    const ob_epilogue e = whole_epilogue(r, s, values);
    ob_conv2d_call c = s->call.conv2d;
    c.batch = batch, c.x = values[s->x], c.out = values[s->out], c.epilogue = &e;
    c.weights = array_of(r, s, OB_ARRAY_WEIGHTS), c.weights_bytes = ob_conv_weights_bytes(c.n, c.c, c.groups, c.kernel);
    c.workspace_bytes = s->op == OB_STEP_CONV2D      ? ob_conv2d_workspace(&c, 1)
                        : s->op == OB_STEP_CONV2D_U8 ? ob_conv2d_u8_workspace(&c, 1)
                                                     : ob_conv2d_s8_workspace(&c, 1);
    void *workspace = c.workspace = malloc(c.workspace_bytes);
    const ob_status status = s->op == OB_STEP_CONV2D      ? ob_conv2d(&c)
                             : s->op == OB_STEP_CONV2D_U8 ? ob_conv2d_u8(&c)
                                                          : ob_conv2d_s8(&c);
    free(workspace);
    return status;
}

static inline ob_status run_transpose(const random_network *r, const ob_step *s, int64_t batch, void **values) {
    const ob_transpose_call *c = &s->call.transpose;
    const size_t bytes = (size_t)(bytes_of(&r->values[s->x]) / (c->rows * c->columns));
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < c->rows; i++)
            for (int64_t j = 0; j < c->columns; j++)
                memcpy((char *)values[s->out] + (size_t)((b * c->columns + j) * c->rows + i) * bytes,
                       (char *)values[s->x] + (size_t)((b * c->rows + i) * c->columns + j) * bytes, bytes);
    return OB_OK;
}

/* Bit by bit. */
static inline ob_status run_join(const random_network *r, const ob_step *s, int64_t batch, void **values) {
    const ob_join_call *c = &s->call.join;
    uint64_t *out = values[s->out];
    const int64_t words = (r->bits[s->out] + 63) / 64;
    memset(out, 0, (size_t)(batch * c->rows * words) * 8);
    for (int64_t row = 0; row < batch * c->rows; row++, out += words)
        for (int64_t p = 0, at = 0; p < c->count; at += c->bits[p++])
            for (int64_t i = 0; i < c->bits[p]; i++) {
                const uint64_t *x = (const uint64_t *)values[c->parts[p]] + row * ((c->bits[p] + 63) / 64);
                out[(at + i) / 64] |= (x[i / 64] >> (i % 64) & 1) << ((at + i) % 64);
            }
    return OB_OK;
}

static inline ob_status run_step(const random_network *r, const ob_step *s, int64_t batch, void **values) {
    if (s->op == OB_STEP_TRANSPOSE) return run_transpose(r, s, batch, values);
    if (s->op == OB_STEP_JOIN) return run_join(r, s, batch, values);
    if (s->op == OB_STEP_PACK) {
        ob_pack_call c = s->call.pack;
        c.batch *= batch, c.x = values[s->x], c.out = values[s->out];
        c.threshold = array_of(r, s, OB_ARRAY_FLOAT_THRESHOLD), c.direction = array_of(r, s, OB_ARRAY_DIRECTION);
        return ob_pack(&c);
    }
    if (s->op == OB_STEP_MAX_POOL2D) {
        ob_max_pool2d_call c = s->call.max_pool2d;
        c.batch = batch, c.x = values[s->x], c.out = values[s->out], c.minimum = array_of(r, s, OB_ARRAY_MINIMUM);
        return ob_max_pool2d(&c);
    }
    return (s->op < OB_STEP_CONV2D ? run_dense : run_conv2d)(r, s, batch, values);
}

/* All values for an input; each from malloc, exactly as long as it is. */
static inline void run_one_by_one(const random_network *r, int64_t batch, void *x, void **values) {
    values[0] = x;
    for (int32_t v = 1; v < r->of.value_count; v++) values[v] = malloc((size_t)(bytes_of(&r->values[v]) * batch) + 1);
    for (int32_t i = 0; i < r->of.step_count; i++) {
        const ob_status status = run_step(r, &r->steps[i], batch, values);
        CHECK(status == OB_OK, "step %d, operator %d: %s", i, r->steps[i].op, ob_status_text(status));
    }
}

#endif
