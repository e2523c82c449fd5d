/* ort_chain.c: the operators Chain1, Chain2, ... inside ONNX Runtime: a chain of this domain's operators in one call.
 *
 * In the file such an operator is a function whose body is the chain, operator by operator: that is what runs without
 * this library. The attribute `network` says the same to ob_network_create, as a list of integers:
 *   1 (the form of this list), then how many values, steps, inputs and outputs there are
 *   each value   type, dims, sizes
 *   each step    op, x, out, bits, residual, arrays, the integers of its call in the order of its struct, and, of a
 *                product, output, activation and residual_last of its epilogue
 *   inputs, outputs
 * The node's inputs are the network's, then its constants, all of which are initializers. */
#include <stdlib.h>

#include "network.h"
#include "onebit.h"
#include "ort_kernel.h"

enum { FORM = 1, MOST_ENDS = 8, FEW = 128 };

/* ---- create ------------------------------------------------------------------------------------------------- */
typedef struct reader {
    const int64_t *at, *end;
    int wrong; /* the list is too short, or has a number that is too large */
} reader;

static int64_t read_one(reader *r) {
    if (r->at < r->end) return *r->at++;
    r->wrong = 1;
    return 0;
}

static void read_some(reader *r, int32_t *to, int count) {
    for (int i = 0; i < count; i++) {
        const int64_t one = read_one(r);
        if (one < INT32_MIN || one > INT32_MAX) r->wrong = 1;
        to[i] = (int32_t)one;
    }
}

static void read_value(reader *r, ob_value *v) {
    read_some(r, &v->type, 1), read_some(r, &v->dims, 1);
    if (v->dims < 0 || v->dims > OB_VALUE_DIMS) r->wrong = 1;
    for (int d = 0; !r->wrong && d < v->dims; d++) v->sizes[d] = read_one(r);
}

static void read_call(reader *r, ob_step *s) {
    if (s->op == OB_STEP_PACK) {
        ob_pack_call *c = &s->call.pack;
        c->batch = read_one(r), c->places = read_one(r), c->c = read_one(r);
        read_some(r, &c->type, 1), read_some(r, &c->layout, 1);
    } else if (s->op == OB_STEP_MAX_POOL2D) {
        ob_max_pool2d_call *c = &s->call.max_pool2d;
        c->batch = read_one(r), c->height = read_one(r), c->width = read_one(r), c->c = read_one(r);
        read_some(r, c->kernel, 2), read_some(r, c->stride, 2), read_some(r, c->padding, 4);
    } else if (s->op == OB_STEP_DENSE || s->op == OB_STEP_DENSE_U8 || s->op == OB_STEP_DENSE_S8) {
        ob_dense_call *c = &s->call.dense;
        c->m = read_one(r), c->n = read_one(r), c->k = read_one(r);
    } else if (s->op == OB_STEP_CONV2D || s->op == OB_STEP_CONV2D_U8 || s->op == OB_STEP_CONV2D_S8) {
        ob_conv2d_call *c = &s->call.conv2d;
        c->batch = read_one(r), c->height = read_one(r), c->width = read_one(r);
        c->c = read_one(r), c->n = read_one(r);
        read_some(r, c->kernel, 2), read_some(r, c->stride, 2), read_some(r, c->padding, 4);
        read_some(r, c->dilation, 2), read_some(r, &c->groups, 1), read_some(r, &c->pad_value, 1);
        read_some(r, &c->multiplier, 1), read_some(r, &c->offset, 1);
    } else if (s->op == OB_STEP_TRANSPOSE) {
        s->call.transpose.rows = read_one(r), s->call.transpose.columns = read_one(r);
        read_some(r, &s->call.transpose.type, 1);
    } else if (s->op == OB_STEP_JOIN) {
        s->call.join.rows = read_one(r), read_some(r, &s->call.join.count, 1);
        read_some(r, s->call.join.bits, OB_JOIN_MOST), read_some(r, s->call.join.parts, OB_JOIN_MOST);
    } else {
        r->wrong = 1;
    }
}

static void read_step(reader *r, ob_step *s) {
    read_some(r, &s->op, 1), read_some(r, &s->x, 1), read_some(r, &s->out, 1), read_some(r, &s->bits, 1);
    read_some(r, &s->residual, 1), read_some(r, s->arrays, OB_ARRAY_COUNT);
    read_call(r, s);
    if (s->op < OB_STEP_DENSE || s->op > OB_STEP_CONV2D_S8) return;
    read_some(r, &s->epilogue.output, 1), read_some(r, &s->epilogue.activation, 1);
    read_some(r, &s->epilogue.residual_last, 1);
}

/* What a description is read into; freed when the network has its copy. */
typedef struct description {
    ob_value *values;
    ob_step *steps;
    int64_t *constant_bytes;
    int32_t inputs[MOST_ENDS], outputs[MOST_ENDS];
    ob_network of;
} description;

static OrtStatus *read_description(const ort_kernel *kernel, reader *r, description *d) {
    int32_t form = 0;
    const int64_t most = r->end - r->at; /* each value and step takes a number at least */
    ob_network *n = &d->of;
    read_some(r, &form, 1);
    if (form != FORM)
        return ob_ort_refuse(kernel, "its network is described in form %d; this library knows form %d.", form, FORM);
    read_some(r, &n->value_count, 1), read_some(r, &n->step_count, 1);
    read_some(r, &n->input_count, 1), read_some(r, &n->output_count, 1);
    if (r->wrong || n->value_count < 1 || n->value_count > most || n->step_count < 1 || n->step_count > most ||
        n->input_count < 1 || n->input_count > MOST_ENDS || n->output_count < 1 || n->output_count > MOST_ENDS)
        return ob_ort_refuse(kernel, "its network's description is damaged.");
    n->values = d->values = calloc((size_t)n->value_count, sizeof *d->values);
    n->steps = d->steps = calloc((size_t)n->step_count, sizeof *d->steps);
    n->inputs = d->inputs, n->outputs = d->outputs;
    if (!d->values || !d->steps) return ob_ort_refuse_status(kernel, OB_ERROR_MEMORY);
    for (int32_t i = 0; !r->wrong && i < n->value_count; i++) read_value(r, &d->values[i]);
    for (int32_t i = 0; !r->wrong && i < n->step_count; i++) read_step(r, &d->steps[i]);
    read_some(r, d->inputs, n->input_count), read_some(r, d->outputs, n->output_count);
    return r->wrong || r->at != r->end ? ob_ort_refuse(kernel, "its network's description is damaged.") : NULL;
}

static OrtStatus *measure_constants(const ort_kernel *kernel, const OrtKernelInfo *info, description *d) {
    size_t inputs = 0;
    OrtStatus *status = kernel->api->KernelInfo_GetInputCount(info, &inputs);
    if (status) return status;
    if (inputs < (size_t)d->of.input_count) return ob_ort_refuse(kernel, "it has %zu inputs, too few.", inputs);
    const size_t count = inputs - (size_t)d->of.input_count;
    d->of.constant_count = (int32_t)count;
    d->of.constant_bytes = d->constant_bytes = calloc(count + 1, sizeof *d->constant_bytes);
    if (!d->constant_bytes) return ob_ort_refuse_status(kernel, OB_ERROR_MEMORY);
    for (size_t i = 0; !status && i < count; i++)
        status = ob_ort_constant_bytes(kernel, info, (size_t)d->of.input_count + i, &d->constant_bytes[i]);
    return status;
}

static OrtStatus *create_network(ort_kernel *kernel, const ob_network *description) {
    int64_t number = 0;
    int32_t step = -1;
    const ob_status status = ob_network_create(description, &number, &step);
    if (status && step >= 0) return ob_ort_refuse(kernel, "step %d: %s", step, ob_status_text(status));
    if (status) return ob_ort_refuse_status(kernel, status);
    kernel->network = ob_network_hold(number);
    ob_network_destroy(number); /* the kernel alone has it, until it lets it go */
    return NULL;
}

OrtStatus *ob_ort_chain_create(ort_kernel *kernel, const OrtKernelInfo *info) {
    size_t count = 0;
    description d = {.values = NULL};
    OrtStatus *status = kernel->api->KernelInfoGetAttributeArray_int64(info, "network", NULL, &count);
    if (status) {
        kernel->api->ReleaseStatus(status);
        return ob_ort_refuse(kernel, "its attribute network is missing.");
    }
    int64_t *list = calloc(count + 1, sizeof *list);
    if (!list) return ob_ort_refuse_status(kernel, OB_ERROR_MEMORY);
    status = kernel->api->KernelInfoGetAttributeArray_int64(info, "network", list, &count);
    reader r = {list, list + count, 0};
    if (!status) status = read_description(kernel, &r, &d);
    if (!status) status = measure_constants(kernel, info, &d);
    if (!status) status = create_network(kernel, &d.of);
    free(d.values), free(d.steps), free(d.constant_bytes), free(list);
    return status;
}

/* ---- run ---------------------------------------------------------------------------------------------------- */

/* Element type and, for one example, the last size of a value in ONNX, where words are bytes. */
static int32_t element_of(const ob_value *v, int64_t *last) {
    static const int32_t of[] = {
        [OB_TYPE_F32] = ORT_FLOAT, [OB_TYPE_F16] = ORT_FLOAT16, [OB_TYPE_BF16] = ORT_BFLOAT16, [OB_TYPE_U8] = ORT_UINT8,
        [OB_TYPE_S8] = ORT_INT8,   [OB_TYPE_S32] = ORT_INT32,   [OB_TYPE_WORDS] = ORT_UINT8,
    };
    *last = v->sizes[v->dims - 1] * (v->type == OB_TYPE_WORDS ? 8 : 1);
    return of[v->type];
}

static OrtStatus *read_inputs(const ort_kernel *kernel, const OrtKernelContext *context, const void **inputs,
                              int64_t *batch) {
    const ob_network *net = &kernel->network->of;
    for (int32_t i = 0; i < net->input_count; i++) {
        const ob_value *v = &net->values[net->inputs[i]];
        ort_tensor x;
        int64_t last;
        OrtStatus *status = ob_ort_read_input(kernel, context, (size_t)i, &x);
        if (status) return status;
        if (!i) *batch = x.dims[0];
        int same = x.element == element_of(v, &last) && x.rank == (size_t)v->dims + 1 && x.dims[0] == *batch;
        for (int32_t d = 0; same && d < v->dims; d++) same = x.dims[d + 1] == (d + 1 < v->dims ? v->sizes[d] : last);
        if (!same)
            return ob_ort_refuse(kernel, "input %d has a type or shape that is not the network's, or another batch.",
                                 i);
        inputs[i] = x.data;
    }
    return NULL;
}

static OrtStatus *make_outputs(const ort_kernel *kernel, OrtKernelContext *context, int64_t batch, void **outputs) {
    const ob_network *net = &kernel->network->of;
    OrtStatus *status = NULL;
    for (int32_t i = 0; !status && i < net->output_count; i++) {
        const ob_value *v = &net->values[net->outputs[i]];
        int64_t dims[OB_VALUE_DIMS + 1] = {batch};
        OrtValue *value = NULL;
        for (int32_t d = 0; d < v->dims; d++) dims[d + 1] = v->sizes[d];
        element_of(v, &dims[v->dims]);
        status = kernel->api->KernelContext_GetOutput(context, (size_t)i, dims, (size_t)v->dims + 1, &value);
        if (!status) status = kernel->api->GetTensorMutableData(value, &outputs[i]);
    }
    return status;
}

static OrtStatus *find_constants(const ort_kernel *kernel, const OrtKernelContext *context, const void **constants) {
    const ob_network *net = &kernel->network->of;
    OrtStatus *status = NULL;
    for (int32_t i = 0; !status && i < net->constant_count; i++) {
        const OrtValue *value = NULL;
        void *data = NULL;
        status = kernel->api->KernelContext_GetInput(context, (size_t)(net->input_count + i), &value);
        if (!status) status = kernel->api->GetTensorMutableData((OrtValue *)value, &data); /* only read */
        constants[i] = data;
    }
    return status;
}

OrtStatus *ob_ort_chain_run(const ort_kernel *kernel, OrtKernelContext *context, const ob_executor *executor) {
    const void *inputs[MOST_ENDS], *few[FEW], **constants = few;
    void *outputs[MOST_ENDS];
    ob_network_call call = {.inputs = inputs, .outputs = outputs, .executor = executor};
    const int32_t count = kernel->network->of.constant_count;
    OrtStatus *status = read_inputs(kernel, context, inputs, &call.batch);
    if (!status) status = make_outputs(kernel, context, call.batch, outputs);
    if (status || !call.batch) return status;
    if (count > FEW && !(constants = malloc((size_t)count * sizeof *constants)))
        return ob_ort_refuse_status(kernel, OB_ERROR_MEMORY);
    status = find_constants(kernel, context, constants);
    call.constants = constants;
    if (!status) status = ob_ort_refuse_status(kernel, ob_network_run_held(kernel->network, &call));
    if (constants != few) free(constants);
    return status;
}
