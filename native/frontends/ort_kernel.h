/* ort_kernel.h: one operator's description, and the three calls that ONNX Runtime makes for a node of it. */
#ifndef ONEBIT_ORT_KERNEL_H
#define ONEBIT_ORT_KERNEL_H

#include "ort_api.h"

typedef enum ort_family { ORT_PACK, ORT_UNPACK, ORT_DENSE, ORT_DENSE_U8 } ort_family;

typedef struct ort_op {
    OrtCustomOp callbacks; /* first: the runtime hands back a pointer to it */
    const char *name;
    ort_family family;
    int32_t output; /* OB_OUTPUT_*, 0 for pack and unpack */
    size_t inputs;
    int32_t input_types[4], output_type;
} ort_op;

OrtStatus *ORT_CALL ob_ort_create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel);
OrtStatus *ORT_CALL ob_ort_compute(void *kernel, OrtKernelContext *context);
void ORT_CALL ob_ort_destroy(void *kernel);
#endif
