/* network_check.c: every field of a description. What only the contents of constants can tell (a handle of weights for
 * other sizes, a wrong direction) is the operators' to say, when a plan is made. */
#include "network_check.h"

#include <stdlib.h>

#include "network.h"
#include "parts.h"

/* What a step takes and gives, in values for one example. */
typedef struct ends {
    ob_value x, out, bits;
    int64_t n; /* channels of the output */
} ends;

static const int64_t type_bytes[] = {
    [OB_TYPE_F32] = 4, [OB_TYPE_F16] = 2, [OB_TYPE_BF16] = 2,  [OB_TYPE_U8] = 1,
    [OB_TYPE_S8] = 1,  [OB_TYPE_S32] = 4, [OB_TYPE_WORDS] = 8,
};

int64_t ob_type_bytes(int32_t type) {
    return type < OB_TYPE_F32 || type > OB_TYPE_WORDS ? 0 : type_bytes[type];
}

int64_t ob_value_bytes(const ob_value *v) {
    int64_t bytes = ob_type_bytes(v->type);
    if (!bytes || v->dims < 1 || v->dims > OB_VALUE_DIMS) return -1;
    for (int d = 0; d < v->dims; d++)
        if (v->sizes[d] < 1 || __builtin_mul_overflow(bytes, v->sizes[d], &bytes)) return -1;
    return bytes > INT64_MAX / 64 ? -1 : bytes;
}

static ob_value rows_of(int32_t type, int64_t rows, int64_t last) {
    return (ob_value){type, 2, {rows, last}};
}

static int64_t words(int64_t bits) {
    return ob_parts(bits, 64);
}

static ob_status epilogue_ends(const ob_step *step, int64_t rows, int64_t n, ends *e) {
    const int32_t output = step->epilogue.output, activation = step->epilogue.activation;
    if (output < OB_OUTPUT_INT32 || output > OB_OUTPUT_FLOAT_BITS) return OB_ERROR_OUTPUT;
    if (activation < OB_ACTIVATION_NONE || activation > OB_ACTIVATION_PRELU) return OB_ERROR_OUTPUT;
    e->n = n;
    e->out = output == OB_OUTPUT_BITS    ? rows_of(OB_TYPE_WORDS, rows, words(n))
             : output == OB_OUTPUT_INT32 ? rows_of(OB_TYPE_S32, rows, n)
                                         : rows_of(OB_TYPE_F32, rows, n);
    if (output == OB_OUTPUT_FLOAT_BITS) e->bits = rows_of(OB_TYPE_WORDS, rows, words(n));
    return OB_OK;
}

static ob_status pack_ends(const ob_step *step, ends *e) {
    const ob_pack_call *c = &step->call.pack;
    if (c->x || c->out || c->threshold || c->direction || c->executor) return OB_ERROR_STEP;
    if (c->type < OB_TYPE_F32 || c->type > OB_TYPE_S8) return OB_ERROR_TYPE;
    if (c->batch < 1 || c->places < 1 || c->c < 1 || c->c > INT32_MAX || c->places > INT32_MAX || c->batch > INT32_MAX)
        return OB_ERROR_SIZE;
    e->n = c->c;
    e->x = rows_of(c->type, c->batch * c->places, c->c);
    e->out = rows_of(OB_TYPE_WORDS, c->batch * c->places, words(c->c));
    return OB_OK;
}

static ob_status dense_ends(const ob_step *step, ends *e) {
    const ob_dense_call *c = &step->call.dense;
    if (c->x || c->out || c->weights || c->epilogue || c->workspace || c->executor) return OB_ERROR_STEP;
    if (c->m < 1 || c->m > INT32_MAX || !ob_weights_bytes(c->n, c->k)) return OB_ERROR_SIZE;
    e->x = step->op == OB_STEP_DENSE      ? rows_of(OB_TYPE_WORDS, c->m, words(c->k))
           : step->op == OB_STEP_DENSE_U8 ? rows_of(OB_TYPE_U8, c->m, c->k)
                                          : rows_of(OB_TYPE_S8, c->m, c->k);
    return epilogue_ends(step, c->m, c->n, e);
}

static ob_status conv2d_ends(const ob_step *step, ends *e) {
    const ob_conv2d_call *c = &step->call.conv2d;
    int64_t out[2];
    if (c->x || c->out || c->weights || c->epilogue || c->workspace || c->executor) return OB_ERROR_STEP;
    const ob_status status = ob_conv2d_output(c, out);
    if (status) return status;
    if (c->batch != 1 || !ob_conv_weights_bytes(c->n, c->c, c->groups, c->kernel) || out[0] > INT32_MAX / out[1])
        return OB_ERROR_SIZE;
    const int32_t type = step->op == OB_STEP_CONV2D      ? OB_TYPE_WORDS
                         : step->op == OB_STEP_CONV2D_U8 ? OB_TYPE_U8
                                                         : OB_TYPE_S8;
    e->x = (ob_value){type, 3, {c->height, c->width, type == OB_TYPE_WORDS ? words(c->c) : c->c}};
    return epilogue_ends(step, out[0] * out[1], c->n, e);
}

static ob_status max_pool2d_ends(const ob_step *step, ends *e) {
    const ob_max_pool2d_call *c = &step->call.max_pool2d;
    int64_t out[2];
    if (c->x || c->out || c->minimum || c->executor) return OB_ERROR_STEP;
    const ob_status status = ob_max_pool2d_output(c, out);
    if (status) return status;
    if (c->batch != 1 || c->c < 1 || c->c > INT32_MAX) return OB_ERROR_SIZE;
    e->n = c->c;
    e->x = (ob_value){OB_TYPE_WORDS, 3, {c->height, c->width, words(c->c)}};
    e->out = (ob_value){OB_TYPE_WORDS, 3, {out[0], out[1], words(c->c)}};
    return OB_OK;
}

static ob_status transpose_ends(const ob_step *step, ends *e) {
    const ob_transpose_call *c = &step->call.transpose;
    if (!ob_type_bytes(c->type)) return OB_ERROR_TYPE;
    if (c->rows < 1 || c->rows > INT32_MAX || c->columns < 1 || c->columns > INT32_MAX) return OB_ERROR_SIZE;
    e->x = rows_of(c->type, c->rows, c->columns);
    e->out = rows_of(c->type, c->columns, c->rows);
    return OB_OK;
}

static ob_status join_ends(const ob_step *step, ends *e) {
    const ob_join_call *c = &step->call.join;
    int64_t total = 0;
    if (c->count < 2 || c->count > OB_JOIN_MOST || c->rows < 1 || c->rows > INT32_MAX) return OB_ERROR_SIZE;
    for (int32_t i = 0; i < c->count; i++) {
        if (c->bits[i] < 1) return OB_ERROR_SIZE;
        total += c->bits[i];
    }
    e->x = rows_of(OB_TYPE_WORDS, c->rows, words(c->bits[0]));
    e->out = rows_of(OB_TYPE_WORDS, c->rows, words(total));
    return total > INT32_MAX ? OB_ERROR_SIZE : step->x == c->parts[0] ? OB_OK : OB_ERROR_VALUE;
}

static ob_status find_ends(const ob_step *step, ends *e) {
    *e = (ends){.n = 0};
    const ob_epilogue *p = &step->epilogue;
    if (p->scale || p->bias || p->threshold || p->direction || p->low || p->high || p->slope || p->residual ||
        p->float_threshold || p->bits)
        return OB_ERROR_STEP;
    switch (step->op) {
    case OB_STEP_PACK:
        return pack_ends(step, e);
    case OB_STEP_DENSE:
    case OB_STEP_DENSE_U8:
    case OB_STEP_DENSE_S8:
        return dense_ends(step, e);
    case OB_STEP_CONV2D:
    case OB_STEP_CONV2D_U8:
    case OB_STEP_CONV2D_S8:
        return conv2d_ends(step, e);
    case OB_STEP_MAX_POOL2D:
        return max_pool2d_ends(step, e);
    case OB_STEP_TRANSPOSE:
        return transpose_ends(step, e);
    case OB_STEP_JOIN:
        return join_ends(step, e);
    default:
        return OB_ERROR_STEP;
    }
}

/* ---- constants ---- */

static int is_product(int32_t op) {
    return op >= OB_STEP_DENSE && op <= OB_STEP_CONV2D_S8;
}

/* Bytes that array `a` of a step has: 0 if the step has none. */
static int64_t array_bytes(const ob_step *step, int a, int64_t n) {
    const ob_epilogue *e = &step->epilogue;
    const ob_conv2d_call *c = &step->call.conv2d;
    if (step->op == OB_STEP_MAX_POOL2D) return a == OB_ARRAY_MINIMUM ? words(n) * 8 : 0;
    if (step->op == OB_STEP_TRANSPOSE || step->op == OB_STEP_JOIN) return 0;
    if (step->op == OB_STEP_PACK) return a == OB_ARRAY_FLOAT_THRESHOLD ? n * 4 : a == OB_ARRAY_DIRECTION ? n : 0;
    const int floats = e->output == OB_OUTPUT_FLOAT || e->output == OB_OUTPUT_FLOAT_BITS;
    const int both = e->output == OB_OUTPUT_FLOAT_BITS, bits = e->output == OB_OUTPUT_BITS;
    switch (a) {
    case OB_ARRAY_WEIGHTS:
        return (int64_t)(step->op >= OB_STEP_CONV2D ? ob_conv_weights_bytes(n, c->c, c->groups, c->kernel)
                                                    : ob_weights_bytes(n, step->call.dense.k));
    case OB_ARRAY_SCALE:
    case OB_ARRAY_BIAS:
        return floats ? n * 4 : 0;
    case OB_ARRAY_THRESHOLD:
        return bits ? n * 4 : 0;
    case OB_ARRAY_DIRECTION:
        return bits || both ? n : 0;
    case OB_ARRAY_LOW:
    case OB_ARRAY_HIGH:
        return floats && e->activation == OB_ACTIVATION_CLAMP ? n * 4 : 0;
    case OB_ARRAY_SLOPE:
        return floats && e->activation == OB_ACTIVATION_PRELU ? n * 4 : 0;
    case OB_ARRAY_FLOAT_THRESHOLD:
        return both ? n * 4 : 0;
    default:
        return 0;
    }
}

static ob_status check_arrays(const ob_network *net, const ob_step *step, int64_t n) {
    /* a pack's two and a pool's one may be left out */
    const int may_lack = !is_product(step->op);
    for (int a = 0; a < OB_ARRAY_COUNT; a++) {
        const int32_t number = step->arrays[a];
        const int64_t bytes = array_bytes(step, a, n);
        if (number == -1 && (!bytes || may_lack)) continue;
        if (number < 0 || number >= net->constant_count || net->constant_bytes[number] != bytes)
            return OB_ERROR_CONSTANT;
    }
    if (step->op != OB_STEP_PACK) return OB_OK;
    return (step->arrays[OB_ARRAY_FLOAT_THRESHOLD] < 0) == (step->arrays[OB_ARRAY_DIRECTION] < 0) ? OB_OK
                                                                                                  : OB_ERROR_CONSTANT;
}

/* ---- values ---- */

static ob_status fits(const ob_network *net, int32_t number, const ob_value *wanted) {
    const ob_value *v = &net->values[number];
    return v->type == wanted->type && ob_value_bytes(v) == ob_value_bytes(wanted) ? OB_OK : OB_ERROR_FIT;
}

static ob_status reads(const ob_network *net, const char *there, int32_t number, const ob_value *wanted) {
    if (number < 0 || number >= net->value_count || !there[number]) return OB_ERROR_VALUE;
    return fits(net, number, wanted);
}

static ob_status gives(const ob_network *net, char *there, int32_t number, const ob_value *wanted) {
    if (number < 0 || number >= net->value_count || there[number]) return OB_ERROR_VALUE;
    there[number] = 1;
    return fits(net, number, wanted);
}

static ob_status check_step(const ob_network *net, const ob_step *step, char *there) {
    ends e;
    ob_status status = find_ends(step, &e);
    if (status || (status = check_arrays(net, step, e.n))) return status;
    if ((status = reads(net, there, step->x, &e.x))) return status;
    for (int32_t i = 1; step->op == OB_STEP_JOIN && i < step->call.join.count; i++) {
        const ob_join_call *c = &step->call.join;
        const ob_value part = rows_of(OB_TYPE_WORDS, c->rows, words(c->bits[i]));
        if ((status = reads(net, there, c->parts[i], &part))) return status;
    }
    if (step->residual != -1) {
        if (e.out.type != OB_TYPE_F32) return OB_ERROR_OUTPUT;
        if ((status = reads(net, there, step->residual, &e.out))) return status;
    }
    if ((status = gives(net, there, step->out, &e.out))) return status;
    if (e.bits.type) return gives(net, there, step->bits, &e.bits);
    return step->bits == -1 ? OB_OK : OB_ERROR_VALUE;
}

static ob_status check_ends(const ob_network *net, const int32_t *numbers, int32_t count, char *there, int input) {
    for (int32_t i = 0; i < count; i++) {
        if (numbers[i] < 0 || numbers[i] >= net->value_count) return OB_ERROR_VALUE;
        if (there[numbers[i]] != !input) return OB_ERROR_VALUE;
        there[numbers[i]] = input ? 1 : 2; /* an output is named once */
    }
    return OB_OK;
}

static ob_status check_with(const ob_network *net, char *there, int32_t *at) {
    for (int32_t i = 0; i < net->value_count; i++)
        if (ob_value_bytes(&net->values[i]) < 0) return OB_ERROR_VALUE;
    ob_status status = check_ends(net, net->inputs, net->input_count, there, 1);
    if (status) return status;
    for (*at = 0; *at < net->step_count; ++*at)
        if ((status = check_step(net, &net->steps[*at], there))) return status;
    *at = -1;
    for (int32_t i = 0; i < net->input_count; i++) there[net->inputs[i]] = 0; /* an output is computed */
    return check_ends(net, net->outputs, net->output_count, there, 0);
}

ob_status ob_network_check(const ob_network *net, int32_t *step) {
    int32_t at = -1;
    if (!step) step = &at;
    *step = -1;
    if (!net || !net->values || !net->steps || !net->inputs || !net->outputs) return OB_ERROR_NULL;
    if (net->constant_count && !net->constant_bytes) return OB_ERROR_NULL;
    const int32_t counts[] = {net->value_count, net->step_count, net->input_count, net->output_count};
    for (int i = 0; i < 4; i++)
        if (counts[i] < 1 || counts[i] > 1 << 14) return OB_ERROR_SIZE;
    if (net->constant_count < 0 || net->constant_count > 1 << 18) return OB_ERROR_SIZE;
    char *there = calloc((size_t)net->value_count, 1);
    if (!there) return OB_ERROR_MEMORY;
    const ob_status status = check_with(net, there, step);
    free(there);
    return status;
}
