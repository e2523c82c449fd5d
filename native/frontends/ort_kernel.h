/* ort_kernel.h: one operator's description, and the three calls that ONNX Runtime makes for a node of it. */
#ifndef ONEBIT_ORT_KERNEL_H
#define ONEBIT_ORT_KERNEL_H

#include "onebit.h"
#include "ort_api.h"

enum { ORT_MAX_RANK = 16, ORT_ALIGNMENT = 64 };

/* From ORT_CONV2D to ORT_MAX_POOL2D, ort_conv.c creates and runs them. */
typedef enum ort_family {
    ORT_PACK,
    ORT_PACK_NCHW,
    ORT_UNPACK,
    ORT_DENSE,
    ORT_DENSE_U8,
    ORT_DENSE_S8,
    ORT_CONV2D,
    ORT_CONV2D_U8,
    ORT_CONV2D_S8,
    ORT_MAX_POOL2D,
    ORT_CHAIN /* ort_chain.c creates and runs these */
} ort_family;

typedef struct ort_op {
    OrtCustomOp callbacks; /* first: the runtime hands back a pointer to it */
    const char *name;
    ort_family family;
    int32_t output; /* OB_OUTPUT_*, 0 for pack, unpack and pooling */
    size_t inputs;
    int32_t input_types[9], output_type; /* floats and their signs: the signs are a second output, of bytes */
    int32_t activation, adds; /* OB_ACTIVATION_*; the residual is an input: 1 before the activation, 2 behind */
} ort_op;

/* One node: what its attributes and weights say. Nothing in it changes after it is made. */
typedef struct ort_kernel {
    const OrtApi *api;
    const ort_op *op;
    OrtAllocator *allocator;
    int64_t n, k;
    ob_conv2d_call conv; /* of a convolution or pooling: what does not depend on the input */
    size_t weights_bytes;
    int32_t threads;
    struct ob_held_network *network; /* of a chain; it keeps its plans between runs, and gives each to one of them */
} ort_kernel;

typedef struct ort_tensor {
    int64_t dims[ORT_MAX_RANK], rows, last; /* rows: product of all dimensions but the last */
    size_t rank;
    int32_t element; /* ORT_FLOAT, ... */
    void *data;
} ort_tensor;

OrtStatus *ORT_CALL ob_ort_create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel);
OrtStatus *ORT_CALL ob_ort_compute(void *kernel, OrtKernelContext *context);
void ORT_CALL ob_ort_destroy(void *kernel);

/* A refusal with text that begins with the operator's name; the second gives NULL for OB_OK. */
__attribute__((format(printf, 2, 3))) OrtStatus *ob_ort_refuse(const ort_kernel *kernel, const char *format, ...);
OrtStatus *ob_ort_refuse_status(const ort_kernel *kernel, ob_status status);
OrtStatus *ob_ort_read_input(const ort_kernel *kernel, const OrtKernelContext *context, size_t index, ort_tensor *out);
/* OB_OK's NULL if the weights are an initializer of `bytes` that is the handle for the sizes in the attributes. */
OrtStatus *ob_ort_check_weights(ort_kernel *kernel, const OrtKernelInfo *info, size_t bytes);
/* Bytes of an input that must be an initializer. */
OrtStatus *ob_ort_constant_bytes(const ort_kernel *kernel, const OrtKernelInfo *info, size_t index, int64_t *bytes);
/* The handle in a run: the runtime's own memory. */
OrtStatus *ob_ort_weights(const ort_kernel *kernel, const OrtKernelContext *context, const void **weights);
/* The epilogue, from the inputs behind the weights; dims are those of the float output, of `rank`. A second output is
 * made here. */
OrtStatus *ob_ort_read_epilogue(const ort_kernel *kernel, OrtKernelContext *context, const int64_t *dims, size_t rank,
                                ob_epilogue *out);
/* Scratch from the runtime's allocator (to be aligned), and its end, which keeps the first of two errors. */
OrtStatus *ob_ort_scratch(const ort_kernel *kernel, size_t bytes, void **memory);
OrtStatus *ob_ort_release(const ort_kernel *kernel, void *memory, OrtStatus *status);
void *ob_ort_align_up(void *memory);
int64_t ob_ort_packed_bytes(int64_t bits);

/* ort_dense.c */
OrtStatus *ob_ort_dense_run(const ort_kernel *kernel, const OrtKernelContext *context, const ob_epilogue *epilogue,
                            const ort_tensor *x, void *out, const ob_executor *executor);
/* ort_pack.c */
OrtStatus *ob_ort_pack_run(const ort_kernel *kernel, OrtKernelContext *context, const ort_tensor *x,
                           const ob_executor *executor);
/* ort_conv.c */
OrtStatus *ob_ort_conv_create(ort_kernel *kernel, const OrtKernelInfo *info);
OrtStatus *ob_ort_conv_run(const ort_kernel *kernel, OrtKernelContext *context, const ort_tensor *x,
                           const ob_executor *executor);
/* ort_chain.c */
OrtStatus *ob_ort_chain_create(ort_kernel *kernel, const OrtKernelInfo *info);
OrtStatus *ob_ort_chain_run(const ort_kernel *kernel, OrtKernelContext *context, const ob_executor *executor);
#endif
