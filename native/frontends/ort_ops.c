/* ort_ops.c: the operators of domain "onebit", version 1, as ONNX Runtime custom operators: what the library tells the
 * runtime about them, and the entry point. ort_kernel.c runs them. Errors are an OrtStatus with text. */
#include <stdio.h>

#include "onebit.h"
#include "ort_kernel.h"

static const char *ORT_CALL ort_name(const OrtCustomOp *op) {
    return ((const ort_op *)op)->name;
}
static const char *ORT_CALL ort_provider(const OrtCustomOp *op) {
    (void)op;
    return NULL; /* the CPU's */
}
static size_t ORT_CALL ort_inputs(const OrtCustomOp *op) {
    return ((const ort_op *)op)->inputs;
}
static size_t ORT_CALL ort_outputs(const OrtCustomOp *op) {
    (void)op;
    return 1;
}
static int32_t ORT_CALL ort_input_type(const OrtCustomOp *op, size_t index) {
    return ((const ort_op *)op)->input_types[index];
}
static int32_t ORT_CALL ort_output_type(const OrtCustomOp *op, size_t index) {
    (void)index;
    return ((const ort_op *)op)->output_type;
}
static int32_t ORT_CALL ort_required(const OrtCustomOp *op, size_t index) {
    (void)op, (void)index;
    return ORT_REQUIRED;
}
static int32_t ORT_CALL ort_memory(const OrtCustomOp *op, size_t index) {
    (void)op, (void)index;
    return ORT_MEM_DEFAULT;
}
static int ORT_CALL ort_one(const OrtCustomOp *op) {
    (void)op;
    return 1;
}

#define ORT_CALLBACKS                          \
    {.version = ORT_VERSION_NEEDED,            \
     .GetName = ort_name,                      \
     .GetExecutionProviderType = ort_provider, \
     .GetInputType = ort_input_type,           \
     .GetInputTypeCount = ort_inputs,          \
     .GetOutputType = ort_output_type,         \
     .GetOutputTypeCount = ort_outputs,        \
     .KernelDestroy = ob_ort_destroy,          \
     .GetInputCharacteristic = ort_required,   \
     .GetOutputCharacteristic = ort_required,  \
     .GetInputMemoryType = ort_memory,         \
     .GetVariadicInputMinArity = ort_one,      \
     .GetVariadicInputHomogeneity = ort_one,   \
     .GetVariadicOutputMinArity = ort_one,     \
     .GetVariadicOutputHomogeneity = ort_one,  \
     .CreateKernelV2 = ob_ort_create,          \
     .KernelComputeV2 = ob_ort_compute,        \
     .GetStartVersion = ort_one,               \
     .GetEndVersion = ort_one}

/* Packed tensors are bytes in ONNX: the little-endian bytes of the 64-bit words. */
static const ort_op ORT_OPS[] = {
    {ORT_CALLBACKS, "Pack", ORT_PACK, 0, 1, {ORT_ANY}, ORT_UINT8},
    {ORT_CALLBACKS, "PackNchw", ORT_PACK_NCHW, 0, 1, {ORT_ANY}, ORT_UINT8},
    {ORT_CALLBACKS, "PackThreshold", ORT_PACK, 0, 3, {ORT_ANY, ORT_FLOAT, ORT_INT8}, ORT_UINT8},
    {ORT_CALLBACKS, "PackNchwThreshold", ORT_PACK_NCHW, 0, 3, {ORT_ANY, ORT_FLOAT, ORT_INT8}, ORT_UINT8},
    {ORT_CALLBACKS, "Unpack", ORT_UNPACK, 0, 1, {ORT_UINT8}, ORT_FLOAT},
    {ORT_CALLBACKS, "DenseInt32", ORT_DENSE, OB_OUTPUT_INT32, 2, {ORT_UINT8, ORT_UINT8}, ORT_INT32},
    {ORT_CALLBACKS,
     "DenseFloat",
     ORT_DENSE,
     OB_OUTPUT_FLOAT,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_FLOAT, ORT_FLOAT},
     ORT_FLOAT},
    {ORT_CALLBACKS, "DenseBits", ORT_DENSE, OB_OUTPUT_BITS, 4, {ORT_UINT8, ORT_UINT8, ORT_INT32, ORT_INT8}, ORT_UINT8},
    {ORT_CALLBACKS, "DenseU8Int32", ORT_DENSE_U8, OB_OUTPUT_INT32, 2, {ORT_UINT8, ORT_UINT8}, ORT_INT32},
    {ORT_CALLBACKS,
     "DenseU8Float",
     ORT_DENSE_U8,
     OB_OUTPUT_FLOAT,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_FLOAT, ORT_FLOAT},
     ORT_FLOAT},
    {ORT_CALLBACKS,
     "DenseU8Bits",
     ORT_DENSE_U8,
     OB_OUTPUT_BITS,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_INT32, ORT_INT8},
     ORT_UINT8},
    {ORT_CALLBACKS, "Conv2dInt32", ORT_CONV2D, OB_OUTPUT_INT32, 2, {ORT_UINT8, ORT_UINT8}, ORT_INT32},
    {ORT_CALLBACKS,
     "Conv2dFloat",
     ORT_CONV2D,
     OB_OUTPUT_FLOAT,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_FLOAT, ORT_FLOAT},
     ORT_FLOAT},
    {ORT_CALLBACKS,
     "Conv2dBits",
     ORT_CONV2D,
     OB_OUTPUT_BITS,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_INT32, ORT_INT8},
     ORT_UINT8},
    {ORT_CALLBACKS, "Conv2dU8Int32", ORT_CONV2D_U8, OB_OUTPUT_INT32, 2, {ORT_UINT8, ORT_UINT8}, ORT_INT32},
    {ORT_CALLBACKS,
     "Conv2dU8Float",
     ORT_CONV2D_U8,
     OB_OUTPUT_FLOAT,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_FLOAT, ORT_FLOAT},
     ORT_FLOAT},
    {ORT_CALLBACKS,
     "Conv2dU8Bits",
     ORT_CONV2D_U8,
     OB_OUTPUT_BITS,
     4,
     {ORT_UINT8, ORT_UINT8, ORT_INT32, ORT_INT8},
     ORT_UINT8},
    {ORT_CALLBACKS, "MaxPool2d", ORT_MAX_POOL2D, 0, 2, {ORT_UINT8, ORT_UINT8}, ORT_UINT8},
};

static OrtStatus *ort_too_old(const OrtApiBase *base) {
    const OrtApi *oldest = base->GetApi(1); /* every runtime has it, and CreateStatus is its first slot */
    char text[160];
    if (!oldest) return NULL;
    snprintf(text, sizeof text, "onebit's operators need ONNX Runtime 1.%d or newer; this is %s.", ORT_VERSION_NEEDED,
             base->GetVersionString());
    return oldest->CreateStatus(ORT_FAIL, text);
}

/* ONNX Runtime's entry point, found by name: SessionOptions.register_custom_ops_library(path of this library). */
OB_API OrtStatus *ORT_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);
OrtStatus *ORT_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
    const OrtApi *api = base->GetApi(ORT_VERSION_NEEDED);
    OrtCustomOpDomain *domain = NULL;
    OrtStatus *status;
    if (!api) return ort_too_old(base);
    status = api->CreateCustomOpDomain("onebit", &domain);
    for (size_t i = 0; !status && i < sizeof ORT_OPS / sizeof ORT_OPS[0]; i++)
        status = api->CustomOpDomain_Add(domain, &ORT_OPS[i].callbacks);
    if (!status) status = api->AddCustomOpDomain(options, domain);
    /* The runtime keeps a pointer to the domain for as long as a session lives, and says nothing when the last one
     * ends. So a registered domain (a few hundred bytes) is never released; a refused one is. */
    if (status && domain) api->ReleaseCustomOpDomain(domain);
    return status;
}
