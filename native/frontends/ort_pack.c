/* ort_pack.c: the operators Pack, PackNchw and their forms with thresholds inside ONNX Runtime. */
#include "onebit.h"
#include "ort_kernel.h"

static int32_t type_of(int32_t element) {
    return element == ORT_FLOAT      ? OB_TYPE_F32
           : element == ORT_FLOAT16  ? OB_TYPE_F16
           : element == ORT_BFLOAT16 ? OB_TYPE_BF16
           : element == ORT_UINT8    ? OB_TYPE_U8
           : element == ORT_INT8     ? OB_TYPE_S8
                                     : 0;
}

/* Thresholds and directions, one of each for every channel. */
static OrtStatus *read_thresholds(const ort_kernel *kernel, const OrtKernelContext *context, ob_pack_call *call) {
    ort_tensor arrays[2];
    for (size_t i = 0; i < 2; i++) {
        OrtStatus *status = ob_ort_read_input(kernel, context, 1 + i, &arrays[i]);
        if (status) return status;
        if (arrays[i].rank != 1 || arrays[i].last != call->c)
            return ob_ort_refuse(kernel, "input %zu has %zu dimensions, the last %lld; expected (%lld).", 1 + i,
                                 arrays[i].rank, (long long)arrays[i].last, (long long)call->c);
    }
    call->threshold = arrays[0].data, call->direction = arrays[1].data;
    return NULL;
}

OrtStatus *ob_ort_pack_run(const ort_kernel *kernel, OrtKernelContext *context, const ort_tensor *x,
                           const ob_executor *executor) {
    const int nchw = kernel->op->family == ORT_PACK_NCHW;
    OrtStatus *status = NULL;
    OrtValue *value = NULL;
    if (nchw && x->rank < 3)
        return ob_ort_refuse(kernel, "the input has %zu dimensions; expected (N, C, ...).", x->rank);
    ob_pack_call call = {.batch = nchw ? x->dims[0] : x->rows,
                         .places = 1,
                         .c = nchw ? x->dims[1] : x->last,
                         .type = type_of(x->element),
                         .layout = nchw ? OB_CHANNELS_FIRST : OB_CHANNELS_LAST,
                         .x = x->data,
                         .executor = executor};
    int64_t dims[ORT_MAX_RANK];
    for (size_t i = 0; i < x->rank; i++) dims[i] = x->dims[nchw && i > 0 && i + 1 < x->rank ? i + 1 : i];
    for (size_t i = 2; nchw && i < x->rank; i++) call.places *= x->dims[i];
    dims[x->rank - 1] = ob_ort_packed_bytes(call.c);
    if (kernel->op->inputs > 1) status = read_thresholds(kernel, context, &call);
    if (!status) status = kernel->api->KernelContext_GetOutput(context, 0, dims, x->rank, &value);
    if (!status) status = kernel->api->GetTensorMutableData(value, &call.out);
    if (status || call.batch * call.places == 0) return status;
    return ob_ort_refuse_status(kernel, ob_pack(&call));
}
