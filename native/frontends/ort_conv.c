/* ort_conv.c: convolutions and pooling of domain "onebit" inside ONNX Runtime; see ort_kernel.c for what they share. */
#include "onebit.h"
#include "ort_kernel.h"

typedef long long number; /* what %lld takes */

/* ---- create ------------------------------------------------------------------------------------------------- */
static OrtStatus *read_int(const ort_kernel *kernel, const OrtKernelInfo *info, const char *name, int32_t *out) {
    int64_t value = 0;
    OrtStatus *status = kernel->api->KernelInfoGetAttribute_int64(info, name, &value);
    if (status) return status;
    if (value < INT32_MIN || value > INT32_MAX)
        return ob_ort_refuse(kernel, "%s=%lld is out of range.", name, (number)value);
    *out = (int32_t)value;
    return NULL;
}

static OrtStatus *read_list(const ort_kernel *kernel, const OrtKernelInfo *info, const char *name, size_t count,
                            int32_t *out) {
    int64_t values[4] = {0};
    size_t given = 0;
    OrtStatus *status = kernel->api->KernelInfoGetAttributeArray_int64(info, name, NULL, &given);
    if (status) return status;
    if (given != count) return ob_ort_refuse(kernel, "%s has %zu values; expected %zu.", name, given, count);
    status = kernel->api->KernelInfoGetAttributeArray_int64(info, name, values, &given);
    for (size_t i = 0; !status && i < count; i++) {
        if (values[i] < INT32_MIN || values[i] > INT32_MAX)
            return ob_ort_refuse(kernel, "%s holds %lld, out of range.", name, (number)values[i]);
        out[i] = (int32_t)values[i];
    }
    return status;
}

static OrtStatus *check_weights(ort_kernel *kernel, const OrtKernelInfo *info) {
    const ob_conv2d_call *conv = &kernel->conv;
    const size_t bytes = ob_conv_weights_bytes(conv->n, conv->c, conv->groups, conv->kernel);
    if (bytes) return ob_ort_check_weights(kernel, info, bytes);
    return ob_ort_refuse(kernel, "n=%lld, c=%lld, groups=%d, kernel=[%d, %d] are out of range.", (number)conv->n,
                         (number)conv->c, conv->groups, conv->kernel[0], conv->kernel[1]);
}

OrtStatus *ob_ort_conv_create(ort_kernel *kernel, const OrtKernelInfo *info) {
    ob_conv2d_call *conv = &kernel->conv;
    conv->dilation[0] = conv->dilation[1] = 1;
    OrtStatus *status = kernel->api->KernelInfoGetAttribute_int64(info, "c", &conv->c);
    if (!status && conv->c < 1) status = ob_ort_refuse(kernel, "c=%lld; expected at least 1.", (number)conv->c);
    if (!status) status = read_list(kernel, info, "kernel", 2, conv->kernel);
    if (!status) status = read_list(kernel, info, "stride", 2, conv->stride);
    if (!status) status = read_list(kernel, info, "padding", 4, conv->padding);
    if (status || kernel->op->family == ORT_MAX_POOL2D) return status;
    status = kernel->api->KernelInfoGetAttribute_int64(info, "n", &conv->n);
    if (!status) status = read_list(kernel, info, "dilation", 2, conv->dilation);
    if (!status) status = read_int(kernel, info, "groups", &conv->groups);
    if (!status) status = read_int(kernel, info, "pad_value", &conv->pad_value);
    if (!status && kernel->op->family != ORT_CONV2D) {
        status = read_int(kernel, info, "multiplier", &conv->multiplier);
        if (!status) status = read_int(kernel, info, "offset", &conv->offset);
    }
    kernel->n = conv->n;
    return status ? status : check_weights(kernel, info);
}

/* ---- run ---------------------------------------------------------------------------------------------------- */
static OrtStatus *check_picture(const ort_kernel *kernel, const ort_tensor *x) {
    const int packed = kernel->op->family == ORT_CONV2D || kernel->op->family == ORT_MAX_POOL2D;
    const int64_t last = packed ? ob_ort_packed_bytes(kernel->conv.c) : kernel->conv.c;
    if (x->rank != 4 || x->last != last)
        return ob_ort_refuse(kernel, "the input has %zu dimensions, the last %lld; expected (N, H, W, %lld).", x->rank,
                             (number)x->last, (number)last);
    if (packed && (uintptr_t)x->data % sizeof(uint64_t))
        return ob_ort_refuse(kernel, "the packed input is not aligned to 8 bytes.");
    return NULL;
}

static OrtStatus *make_output(const ort_kernel *kernel, OrtKernelContext *context, int64_t dims[4], void **out) {
    OrtValue *value = NULL;
    OrtStatus *status = kernel->api->KernelContext_GetOutput(context, 0, dims, 4, &value);
    return status ? status : kernel->api->GetTensorMutableData(value, out);
}

static OrtStatus *run_pool(const ort_kernel *kernel, OrtKernelContext *context, const ort_tensor *x,
                           const ob_executor *executor) {
    const ob_conv2d_call *conv = &kernel->conv;
    ob_max_pool2d_call call = {.batch = x->dims[0], .height = x->dims[1], .width = x->dims[2], .c = conv->c};
    int64_t dims[4] = {x->dims[0], 0, 0, x->last};
    ort_tensor minimum;
    OrtStatus *status = ob_ort_read_input(kernel, context, 1, &minimum);
    if (status) return status;
    if (minimum.rank != 1 || minimum.last != x->last || (uintptr_t)minimum.data % sizeof(uint64_t))
        return ob_ort_refuse(kernel, "minimum has %zu dimensions, the last %lld; expected (%lld) bytes, aligned to 8.",
                             minimum.rank, (number)minimum.last, (number)x->last);
    for (int i = 0; i < 4; i++) call.padding[i] = conv->padding[i];
    for (int i = 0; i < 2; i++) call.kernel[i] = conv->kernel[i], call.stride[i] = conv->stride[i];
    call.x = x->data, call.minimum = minimum.data, call.executor = executor;
    status = ob_ort_refuse_status(kernel, ob_max_pool2d_output(&call, dims + 1));
    if (!status) status = make_output(kernel, context, dims, &call.out);
    return status || !call.batch ? status : ob_ort_refuse_status(kernel, ob_max_pool2d(&call));
}

OrtStatus *ob_ort_conv_run(const ort_kernel *kernel, OrtKernelContext *context, const ort_tensor *x,
                           const ob_executor *executor) {
    static const struct {
        ob_status (*run)(const ob_conv2d_call *);
        size_t (*workspace)(const ob_conv2d_call *, int32_t);
    } of[] = {{ob_conv2d, ob_conv2d_workspace},
              {ob_conv2d_u8, ob_conv2d_u8_workspace},
              {ob_conv2d_s8, ob_conv2d_s8_workspace}};
    const ort_family input = kernel->op->family - ORT_CONV2D;
    ob_conv2d_call call = kernel->conv;
    ob_epilogue epilogue;
    void *memory = NULL;
    OrtStatus *status = check_picture(kernel, x);
    if (status) return status;
    if (kernel->op->family == ORT_MAX_POOL2D) return run_pool(kernel, context, x, executor);
    call.batch = x->dims[0], call.height = x->dims[1], call.width = x->dims[2];
    int64_t dims[4] = {call.batch, 0, 0, kernel->op->output == OB_OUTPUT_BITS ? ob_ort_packed_bytes(call.n) : call.n};
    status = ob_ort_refuse_status(kernel, ob_conv2d_output(&call, dims + 1));
    if (!status) status = make_output(kernel, context, dims, &call.out);
    if (!status) status = ob_ort_read_epilogue(kernel, context, dims, 4, &epilogue);
    if (status || !call.batch) return status;
    status = ob_ort_weights(kernel, context, &call.weights);
    call.x = x->data, call.weights_bytes = kernel->weights_bytes;
    call.epilogue = &epilogue, call.executor = executor;
    call.workspace_bytes = of[input].workspace(&call, executor->threads);
    if (!status) status = ob_ort_scratch(kernel, call.workspace_bytes, &memory);
    if (status) return status;
    call.workspace = memory ? ob_ort_align_up(memory) : NULL;
    status = ob_ort_refuse_status(kernel, of[input].run(&call));
    return ob_ort_release(kernel, memory, status);
}
