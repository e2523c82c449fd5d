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
    return ((const ort_op *)op)->output == OB_OUTPUT_FLOAT_BITS ? 2 : 1;
}
static int32_t ORT_CALL ort_input_type(const OrtCustomOp *op, size_t index) {
    return ((const ort_op *)op)->input_types[index];
}
static int32_t ORT_CALL ort_output_type(const OrtCustomOp *op, size_t index) {
    return index ? ORT_UINT8 : ((const ort_op *)op)->output_type;
}
/* A chain has any number of inputs and outputs of any types; the file says the types of its outputs. */
static int is_chain(const OrtCustomOp *op) {
    return ((const ort_op *)op)->family == ORT_CHAIN;
}
static int32_t ORT_CALL ort_characteristic(const OrtCustomOp *op, size_t index) {
    (void)index;
    return is_chain(op) ? ORT_VARIADIC : ORT_REQUIRED;
}
static int ORT_CALL ort_homogeneous(const OrtCustomOp *op) {
    return !is_chain(op);
}
static int32_t ORT_CALL ort_memory(const OrtCustomOp *op, size_t index) {
    (void)op, (void)index;
    return ORT_MEM_DEFAULT;
}
static int ORT_CALL ort_one(const OrtCustomOp *op) {
    (void)op;
    return 1;
}

#define ORT_CALLBACKS                                 \
    {.version = ORT_VERSION_NEEDED,                   \
     .GetName = ort_name,                             \
     .GetExecutionProviderType = ort_provider,        \
     .GetInputType = ort_input_type,                  \
     .GetInputTypeCount = ort_inputs,                 \
     .GetOutputType = ort_output_type,                \
     .GetOutputTypeCount = ort_outputs,               \
     .KernelDestroy = ob_ort_destroy,                 \
     .GetInputCharacteristic = ort_characteristic,    \
     .GetOutputCharacteristic = ort_characteristic,   \
     .GetInputMemoryType = ort_memory,                \
     .GetVariadicInputMinArity = ort_one,             \
     .GetVariadicInputHomogeneity = ort_homogeneous,  \
     .GetVariadicOutputMinArity = ort_one,            \
     .GetVariadicOutputHomogeneity = ort_homogeneous, \
     .CreateKernelV2 = ob_ort_create,                 \
     .KernelComputeV2 = ob_ort_compute,               \
     .GetStartVersion = ort_one,                      \
     .GetEndVersion = ort_one}

/* Packed tensors are bytes in ONNX: the little-endian bytes of the 64-bit words. */
#define ORT_ROW(name, family, output, inputs, type, activation, adds, ...) \
    {ORT_CALLBACKS, name, family, output, inputs, {__VA_ARGS__}, type, activation, adds}
#define ORT_F ORT_FLOAT
/* The float operator with one sequence of steps, for x of an element type, whose `count` inputs are all floats, and the
 * same with signs. */
#define ORT_STEPS(name, family, x, activation, adds, count, ...)                                                   \
    ORT_ROW(name, family, OB_OUTPUT_FLOAT, 4 + (count), ORT_FLOAT, activation, adds, x, ORT_UINT8, ORT_F,          \
            ORT_F __VA_ARGS__),                                                                                    \
        ORT_ROW(name "Bits", family, OB_OUTPUT_FLOAT_BITS, 6 + (count), ORT_FLOAT, activation, adds, x, ORT_UINT8, \
                ORT_F, ORT_F __VA_ARGS__, ORT_F, ORT_INT8)
#define ORT_LAYER(name, family, x)                                                                           \
    ORT_ROW(name "Int32", family, OB_OUTPUT_INT32, 2, ORT_INT32, 0, 0, x, ORT_UINT8),                        \
        ORT_ROW(name "Bits", family, OB_OUTPUT_BITS, 4, ORT_UINT8, 0, 0, x, ORT_UINT8, ORT_INT32, ORT_INT8), \
        ORT_STEPS(name "Float", family, x, OB_ACTIVATION_NONE, 0, 0, ),                                      \
        ORT_STEPS(name "FloatClamp", family, x, OB_ACTIVATION_CLAMP, 0, 2, , ORT_F, ORT_F),                  \
        ORT_STEPS(name "FloatPrelu", family, x, OB_ACTIVATION_PRELU, 0, 1, , ORT_F),                         \
        ORT_STEPS(name "FloatAdd", family, x, OB_ACTIVATION_NONE, 1, 1, , ORT_F),                            \
        ORT_STEPS(name "FloatAddClamp", family, x, OB_ACTIVATION_CLAMP, 1, 3, , ORT_F, ORT_F, ORT_F),        \
        ORT_STEPS(name "FloatAddPrelu", family, x, OB_ACTIVATION_PRELU, 1, 2, , ORT_F, ORT_F),               \
        ORT_STEPS(name "FloatClampAdd", family, x, OB_ACTIVATION_CLAMP, 2, 3, , ORT_F, ORT_F, ORT_F),        \
        ORT_STEPS(name "FloatPreluAdd", family, x, OB_ACTIVATION_PRELU, 2, 2, , ORT_F, ORT_F)
/* Each chain of a file has a body, and so a name, of its own. */
#define ORT_CHAIN_ROW(number) ORT_ROW("Chain" #number, ORT_CHAIN, 0, 1, ORT_ANY, 0, 0, ORT_ANY)
#define ORT_CHAINS(a, b, c, d, e, f, g, h)                                                                      \
    ORT_CHAIN_ROW(a), ORT_CHAIN_ROW(b), ORT_CHAIN_ROW(c), ORT_CHAIN_ROW(d), ORT_CHAIN_ROW(e), ORT_CHAIN_ROW(f), \
        ORT_CHAIN_ROW(g), ORT_CHAIN_ROW(h)
static const ort_op ORT_OPS[] = {
    ORT_ROW("Pack", ORT_PACK, 0, 1, ORT_UINT8, 0, 0, ORT_ANY),
    ORT_ROW("PackNchw", ORT_PACK_NCHW, 0, 1, ORT_UINT8, 0, 0, ORT_ANY),
    ORT_ROW("PackThreshold", ORT_PACK, 0, 3, ORT_UINT8, 0, 0, ORT_ANY, ORT_FLOAT, ORT_INT8),
    ORT_ROW("PackNchwThreshold", ORT_PACK_NCHW, 0, 3, ORT_UINT8, 0, 0, ORT_ANY, ORT_FLOAT, ORT_INT8),
    ORT_ROW("Unpack", ORT_UNPACK, 0, 1, ORT_FLOAT, 0, 0, ORT_UINT8),
    ORT_LAYER("Dense", ORT_DENSE, ORT_UINT8),
    ORT_LAYER("DenseU8", ORT_DENSE_U8, ORT_UINT8),
    ORT_LAYER("DenseS8", ORT_DENSE_S8, ORT_INT8),
    ORT_LAYER("Conv2d", ORT_CONV2D, ORT_UINT8),
    ORT_LAYER("Conv2dU8", ORT_CONV2D_U8, ORT_UINT8),
    ORT_LAYER("Conv2dS8", ORT_CONV2D_S8, ORT_INT8),
    ORT_ROW("MaxPool2d", ORT_MAX_POOL2D, 0, 2, ORT_UINT8, 0, 0, ORT_UINT8, ORT_UINT8),
    ORT_CHAINS(1, 2, 3, 4, 5, 6, 7, 8),
    ORT_CHAINS(9, 10, 11, 12, 13, 14, 15, 16),
    ORT_CHAINS(17, 18, 19, 20, 21, 22, 23, 24),
    ORT_CHAINS(25, 26, 27, 28, 29, 30, 31, 32),
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
