/* ort_kernel.c: runs one node of domain "onebit" inside ONNX Runtime.
 *
 * Weights are read where the runtime keeps them: the file holds them as the kernels stream them. A run writes nothing
 * that another run reads: scratch memory comes from the runtime's allocator each time, so one session serves many
 * threads. Work is split over the runtime's own thread pool, never over the library's. */
#include "ort_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conv_weights.h"
#include "network.h"
#include "onebit.h"
#include "threads.h"
#include "weights.h"

typedef struct ort_pool {
    const OrtApi *api;
    const OrtKernelContext *context;
} ort_pool;

void *ob_ort_align_up(void *memory) {
    return (void *)(((uintptr_t)memory + ORT_ALIGNMENT - 1) & ~(uintptr_t)(ORT_ALIGNMENT - 1));
}

OrtStatus *ob_ort_refuse(const ort_kernel *kernel, const char *format, ...) {
    char text[320];
    va_list arguments;
    int used = snprintf(text, sizeof text, "onebit::%s: ", kernel->op->name);
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    return kernel->api->CreateStatus(ORT_INVALID_ARGUMENT, text);
}

OrtStatus *ob_ort_refuse_status(const ort_kernel *kernel, ob_status status) {
    return status == OB_OK ? NULL : ob_ort_refuse(kernel, "%s", ob_status_text(status));
}

static OrtStatus *read_tensor(const ort_kernel *kernel, const OrtValue *value, ort_tensor *out) {
    const OrtApi *api = kernel->api;
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = api->GetTensorTypeAndShape(value, &info);
    if (!status) status = api->GetDimensionsCount(info, &out->rank);
    if (!status && (out->rank < 1 || out->rank > ORT_MAX_RANK))
        status = ob_ort_refuse(kernel, "an input has %zu dimensions; expected 1 to %d.", out->rank, ORT_MAX_RANK);
    if (!status) status = api->GetDimensions(info, out->dims, out->rank);
    if (!status) status = api->GetTensorElementType(info, &out->element);
    if (info) api->ReleaseTensorTypeAndShapeInfo(info);
    if (!status) status = api->GetTensorMutableData((OrtValue *)value, &out->data); /* read only: see the callers */
    if (status) return status;
    out->rows = 1, out->last = out->dims[out->rank - 1];
    for (size_t i = 0; i + 1 < out->rank; i++) out->rows *= out->dims[i];
    return NULL;
}

OrtStatus *ob_ort_read_input(const ort_kernel *kernel, const OrtKernelContext *context, size_t index, ort_tensor *out) {
    const OrtValue *value = NULL;
    OrtStatus *status = kernel->api->KernelContext_GetInput(context, index, &value);
    return status ? status : read_tensor(kernel, value, out);
}

int64_t ob_ort_packed_bytes(int64_t bits) {
    return (bits + 63) / 64 * 8;
}

/* ---- create ------------------------------------------------------------------------------------------------- */
OrtStatus *ob_ort_check_weights(ort_kernel *kernel, const OrtKernelInfo *info, size_t bytes) {
    const OrtValue *value = NULL;
    ort_tensor weights;
    int constant = 0;
    OrtStatus *status = kernel->api->KernelInfoGetConstantInput_tensor(info, 1, &constant, &value);
    if (status) return status;
    if (!constant || !value) return ob_ort_refuse(kernel, "its weights are computed; expected an initializer.");
    status = read_tensor(kernel, value, &weights);
    if (status) return status;
    if (weights.rank != 1 || (uint64_t)weights.last != bytes)
        return ob_ort_refuse(kernel, "weights have %zu dimensions, the last %lld; expected a handle of %zu bytes.",
                             weights.rank, (long long)weights.last, bytes);
    kernel->weights_bytes = bytes;
    const ob_status found = kernel->op->family >= ORT_CONV2D
                                ? ob_conv_weights_check(weights.data, bytes, kernel->conv.n, kernel->conv.c,
                                                        kernel->conv.groups, kernel->conv.kernel)
                                : ob_weights_check(weights.data, bytes, kernel->n, kernel->k);
    return ob_ort_refuse_status(kernel, found);
}

OrtStatus *ob_ort_constant_bytes(const ort_kernel *kernel, const OrtKernelInfo *info, size_t index, int64_t *bytes) {
    const OrtValue *value = NULL;
    ort_tensor constant;
    int is_constant = 0;
    OrtStatus *status = kernel->api->KernelInfoGetConstantInput_tensor(info, index, &is_constant, &value);
    if (status) return status;
    if (!is_constant || !value) return ob_ort_refuse(kernel, "input %zu is computed; expected an initializer.", index);
    status = read_tensor(kernel, value, &constant);
    if (status) return status;
    const int32_t type = constant.element;
    const int64_t size = type == ORT_UINT8 || type == ORT_INT8 ? 1 : type == ORT_FLOAT || type == ORT_INT32 ? 4 : 0;
    *bytes = constant.rows * constant.last * size; /* other types have 0, which is refused */
    return NULL;
}

OrtStatus *ob_ort_weights(const ort_kernel *kernel, const OrtKernelContext *context, const void **weights) {
    const OrtValue *value = NULL;
    void *data = NULL;
    OrtStatus *status = kernel->api->KernelContext_GetInput(context, 1, &value);
    if (!status) status = kernel->api->GetTensorMutableData((OrtValue *)value, &data); /* only read */
    *weights = data;
    return status;
}

static OrtStatus *read_sizes(ort_kernel *kernel, const OrtKernelInfo *info) {
    OrtStatus *status = NULL;
    if (kernel->op->family <= ORT_PACK_NCHW) return NULL;
    if (kernel->op->family == ORT_CHAIN) return ob_ort_chain_create(kernel, info);
    if (kernel->op->family >= ORT_CONV2D) return ob_ort_conv_create(kernel, info);
    status = kernel->api->KernelInfoGetAttribute_int64(info, "k", &kernel->k);
    if (!status && kernel->op->family != ORT_UNPACK)
        status = kernel->api->KernelInfoGetAttribute_int64(info, "n", &kernel->n);
    if (status || kernel->op->family == ORT_UNPACK) return status;
    const size_t bytes = ob_weights_bytes(kernel->n, kernel->k);
    if (!bytes)
        return ob_ort_refuse(kernel, "n=%lld, k=%lld are out of range.", (long long)kernel->n, (long long)kernel->k);
    return ob_ort_check_weights(kernel, info, bytes);
}

OrtStatus *ORT_CALL ob_ort_create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **out) {
    ort_kernel *kernel = calloc(1, sizeof *kernel);
    OrtStatus *status;
    if (!kernel) return api->CreateStatus(ORT_FAIL, "onebit: no memory for a kernel.");
    kernel->api = api, kernel->op = (const ort_op *)op;
    /* The API does not say how many threads the runtime's pool has. The work is split for as many as it may have: a
     * pool that is smaller runs the parts one after another. The size of the library's own pool says nothing here. */
    kernel->threads = ob_cpus();
    status = api->KernelInfoGetAllocator(info, ORT_MEM_DEFAULT, &kernel->allocator);
    if (!status) status = read_sizes(kernel, info);
    if (status)
        ob_ort_destroy(kernel);
    else
        *out = kernel;
    return status;
}

void ORT_CALL ob_ort_destroy(void *memory) {
    ort_kernel *kernel = memory;
    if (!kernel) return;
    if (kernel->network) ob_network_let_go(kernel->network);
    if (kernel->allocator) kernel->api->ReleaseAllocator(kernel->allocator);
    free(kernel);
}

/* ---- run ---------------------------------------------------------------------------------------------------- */
typedef struct pool_job {
    void (*task)(void *data, int64_t index);
    void *data;
} pool_job;

static void pool_task(void *memory, size_t index) {
    const pool_job *job = memory;
    job->task(job->data, (int64_t)index);
}

static void pool_run(void *memory, int64_t count, void (*task)(void *data, int64_t index), void *data) {
    const ort_pool *pool = memory;
    pool_job job = {task, data};
    OrtStatus *status;
    if (count == 1) {
        task(data, 0);
        return;
    }
    status = pool->api->KernelContext_ParallelFor(pool->context, pool_task, (size_t)count, 0, &job);
    if (!status) return;
    pool->api->ReleaseStatus(status); /* it refuses before it starts anything, so this thread does all of it */
    for (int64_t i = 0; i < count; i++) task(data, i);
}

/* The next input, one value for each of n channels. */
static OrtStatus *read_channels(const ort_kernel *kernel, const OrtKernelContext *context, size_t *index,
                                const void **out) {
    ort_tensor array;
    OrtStatus *status = ob_ort_read_input(kernel, context, *index, &array);
    if (status) return status;
    if (array.rank != 1 || array.last != kernel->n)
        return ob_ort_refuse(kernel, "input %zu has %zu dimensions, the last %lld; expected (%lld).", *index,
                             array.rank, (long long)array.last, (long long)kernel->n);
    *out = array.data, ++*index;
    return NULL;
}

static OrtStatus *read_residual(const ort_kernel *kernel, const OrtKernelContext *context, size_t *index,
                                const int64_t *dims, size_t rank, ob_epilogue *out) {
    ort_tensor residual;
    OrtStatus *status = ob_ort_read_input(kernel, context, *index, &residual);
    if (status) return status;
    int same = residual.rank == rank;
    for (size_t i = 0; same && i < rank; i++) same = residual.dims[i] == dims[i];
    if (!same) return ob_ort_refuse(kernel, "input %zu, the residual, has another shape than the output.", *index);
    out->residual = residual.data, out->residual_last = kernel->op->adds == 2, ++*index;
    return NULL;
}

static OrtStatus *read_activation(const ort_kernel *kernel, const OrtKernelContext *context, size_t *index,
                                  ob_epilogue *out) {
    OrtStatus *status = NULL;
    out->activation = kernel->op->activation;
    if (out->activation == OB_ACTIVATION_PRELU)
        return read_channels(kernel, context, index, (const void **)&out->slope);
    if (out->activation != OB_ACTIVATION_CLAMP) return NULL;
    status = read_channels(kernel, context, index, (const void **)&out->low);
    return status ? status : read_channels(kernel, context, index, (const void **)&out->high);
}

static OrtStatus *read_signs(const ort_kernel *kernel, OrtKernelContext *context, size_t *index, const int64_t *dims,
                             size_t rank, ob_epilogue *out) {
    int64_t sizes[ORT_MAX_RANK];
    OrtValue *value = NULL;
    OrtStatus *status = read_channels(kernel, context, index, (const void **)&out->float_threshold);
    if (!status) status = read_channels(kernel, context, index, (const void **)&out->direction);
    for (size_t i = 0; i < rank; i++) sizes[i] = i + 1 < rank ? dims[i] : ob_ort_packed_bytes(kernel->n);
    if (!status) status = kernel->api->KernelContext_GetOutput(context, 1, sizes, rank, &value);
    return status ? status : kernel->api->GetTensorMutableData(value, &out->bits);
}

OrtStatus *ob_ort_read_epilogue(const ort_kernel *kernel, OrtKernelContext *context, const int64_t *dims, size_t rank,
                                ob_epilogue *out) {
    const int32_t output = kernel->op->output;
    OrtStatus *status = NULL;
    size_t index = 2;
    *out = (ob_epilogue){.output = output};
    if (output == OB_OUTPUT_BITS) {
        status = read_channels(kernel, context, &index, (const void **)&out->threshold);
        if (!status) status = read_channels(kernel, context, &index, (const void **)&out->direction);
    }
    if (output != OB_OUTPUT_FLOAT && output != OB_OUTPUT_FLOAT_BITS) return status;
    status = read_channels(kernel, context, &index, (const void **)&out->scale);
    if (!status) status = read_channels(kernel, context, &index, (const void **)&out->bias);
    if (!status && kernel->op->adds == 1) status = read_residual(kernel, context, &index, dims, rank, out);
    if (!status) status = read_activation(kernel, context, &index, out);
    if (!status && kernel->op->adds == 2) status = read_residual(kernel, context, &index, dims, rank, out);
    return status || output == OB_OUTPUT_FLOAT ? status : read_signs(kernel, context, &index, dims, rank, out);
}

OrtStatus *ob_ort_scratch(const ort_kernel *kernel, size_t bytes, void **memory) {
    *memory = NULL;
    return bytes ? kernel->api->AllocatorAlloc(kernel->allocator, bytes + ORT_ALIGNMENT, memory) : NULL;
}

OrtStatus *ob_ort_release(const ort_kernel *kernel, void *memory, OrtStatus *status) {
    OrtStatus *freed = memory ? kernel->api->AllocatorFree(kernel->allocator, memory) : NULL;
    if (freed && status) kernel->api->ReleaseStatus(freed);
    return status ? status : freed;
}

/* Size of x's and the output's last dimension. */
static OrtStatus *check_input(const ort_kernel *kernel, const ort_tensor *x, int64_t *last) {
    int packed = kernel->op->family == ORT_UNPACK || kernel->op->family == ORT_DENSE;
    int64_t expected = packed ? ob_ort_packed_bytes(kernel->k) : kernel->k;
    *last = kernel->op->family == ORT_UNPACK       ? kernel->k
            : kernel->op->output == OB_OUTPUT_BITS ? ob_ort_packed_bytes(kernel->n)
                                                   : kernel->n;
    if (x->last != expected)
        return ob_ort_refuse(kernel, "the input's last dimension is %lld; k=%lld needs %lld%s.", (long long)x->last,
                             (long long)kernel->k, (long long)expected, packed ? " bytes" : "");
    if (packed && (uintptr_t)x->data % sizeof(uint64_t))
        return ob_ort_refuse(kernel, "the packed input is not aligned to 8 bytes.");
    return NULL;
}

OrtStatus *ORT_CALL ob_ort_compute(void *memory, OrtKernelContext *context) {
    const ort_kernel *kernel = memory;
    ort_pool pool = {kernel->api, context};
    ob_executor executor = {&pool, kernel->threads, pool_run};
    ort_tensor x;
    ob_epilogue epilogue;
    int64_t dims[ORT_MAX_RANK], last = 0;
    OrtValue *value = NULL;
    void *out = NULL;
    if (kernel->op->family == ORT_CHAIN) return ob_ort_chain_run(kernel, context, &executor);
    OrtStatus *status = ob_ort_read_input(kernel, context, 0, &x);
    if (!status && kernel->op->family >= ORT_CONV2D) return ob_ort_conv_run(kernel, context, &x, &executor);
    if (!status && kernel->op->family <= ORT_PACK_NCHW) return ob_ort_pack_run(kernel, context, &x, &executor);
    if (!status) status = check_input(kernel, &x, &last);
    if (status) return status;
    for (size_t i = 0; i < x.rank; i++) dims[i] = i + 1 < x.rank ? x.dims[i] : last;
    status = kernel->api->KernelContext_GetOutput(context, 0, dims, x.rank, &value);
    if (!status) status = kernel->api->GetTensorMutableData(value, &out);
    const int is_dense = kernel->op->family >= ORT_DENSE;
    if (!status && is_dense) status = ob_ort_read_epilogue(kernel, context, dims, x.rank, &epilogue);
    if (status || x.rows == 0) return status;
    if (kernel->op->family == ORT_UNPACK)
        return ob_ort_refuse_status(kernel, ob_unpack_f32(x.data, x.rows, kernel->k, out, &executor));
    return ob_ort_dense_run(kernel, context, &epilogue, &x, out, &executor);
}
