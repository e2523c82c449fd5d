/* ort_api.h: the part of ONNX Runtime's C API that the custom operators use, so that no ONNX Runtime header is needed.
 *
 * OrtApi is a table of functions to which releases only append: a slot keeps its number and signature for ever. Slots
 * that are not used here are gaps, and every named one has its number asserted below. Version 18 (ONNX Runtime 1.18)
 * is the first with all of them; the runtime answers NULL when it is older. */
#ifndef ONEBIT_ORT_API_H
#define ONEBIT_ORT_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ORT_CALL __stdcall
#else
#define ORT_CALL
#endif

enum { ORT_VERSION_NEEDED = 18 };
enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 }; /* OrtErrorCode */
enum { /* ONNXTensorElementDataType; in an operator's description ANY stands for every type */
       ORT_ANY = 0,
       ORT_FLOAT = 1,
       ORT_UINT8 = 2,
       ORT_INT8 = 3,
       ORT_INT32 = 6,
       ORT_FLOAT16 = 10,
       ORT_BFLOAT16 = 16
};
enum { ORT_REQUIRED = 0, ORT_VARIADIC = 2 }; /* ...Characteristic */
enum { ORT_MEM_DEFAULT = 0 };                /* OrtMemType */

typedef struct OrtStatus OrtStatus;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef struct OrtValue OrtValue;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtCustomOp OrtCustomOp;
typedef void(ORT_CALL *ort_slot)(void);

typedef struct OrtApi {
    OrtStatus *(ORT_CALL *CreateStatus)(int32_t code, const char *text);
    ort_slot gap_1;
    const char *(ORT_CALL *GetErrorMessage)(const OrtStatus *);
    ort_slot gap_3[23];
    OrtStatus *(ORT_CALL *CreateCustomOpDomain)(const char *domain, OrtCustomOpDomain **out);
    OrtStatus *(ORT_CALL *CustomOpDomain_Add)(OrtCustomOpDomain *, const OrtCustomOp *);
    OrtStatus *(ORT_CALL *AddCustomOpDomain)(OrtSessionOptions *, OrtCustomOpDomain *);
    ort_slot gap_29[22];
    OrtStatus *(ORT_CALL *GetTensorMutableData)(OrtValue *, void **out);
    ort_slot gap_52[8];
    OrtStatus *(ORT_CALL *GetTensorElementType)(const OrtTensorTypeAndShapeInfo *, int32_t *out);
    OrtStatus *(ORT_CALL *GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *, size_t *out);
    OrtStatus *(ORT_CALL *GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *dims, size_t count);
    ort_slot gap_63[2];
    OrtStatus *(ORT_CALL *GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **out);
    ort_slot gap_66[9];
    OrtStatus *(ORT_CALL *AllocatorAlloc)(OrtAllocator *, size_t bytes, void **out);
    OrtStatus *(ORT_CALL *AllocatorFree)(OrtAllocator *, void *memory);
    ort_slot gap_77[9];
    OrtStatus *(ORT_CALL *KernelInfoGetAttribute_int64)(const OrtKernelInfo *, const char *name, int64_t *out);
    ort_slot gap_87[3];
    OrtStatus *(ORT_CALL *KernelContext_GetInput)(const OrtKernelContext *, size_t index, const OrtValue **out);
    OrtStatus *(ORT_CALL *KernelContext_GetOutput)(OrtKernelContext *, size_t index, const int64_t *dims, size_t count,
                                                   OrtValue **out);
    ort_slot gap_92;
    void(ORT_CALL *ReleaseStatus)(OrtStatus *);
    ort_slot gap_94[5];
    void(ORT_CALL *ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
    ort_slot gap_100;
    void(ORT_CALL *ReleaseCustomOpDomain)(OrtCustomOpDomain *);
    ort_slot gap_102[30];
    void(ORT_CALL *ReleaseAllocator)(OrtAllocator *);
    ort_slot gap_133[30];
    OrtStatus *(ORT_CALL *KernelInfoGetAttributeArray_int64)(const OrtKernelInfo *, const char *name, int64_t *out,
                                                             size_t *count);
    ort_slot gap_164[66];
    OrtStatus *(ORT_CALL *KernelInfo_GetInputCount)(const OrtKernelInfo *, size_t *out);
    ort_slot gap_231[18];
    OrtStatus *(ORT_CALL *KernelInfoGetConstantInput_tensor)(const OrtKernelInfo *, size_t index, int *is_constant,
                                                             const OrtValue **out);
    ort_slot gap_250[24];
    OrtStatus *(ORT_CALL *KernelContext_ParallelFor)(const OrtKernelContext *, void (*task)(void *, size_t),
                                                     size_t count, size_t batches, void *data);
    ort_slot gap_275[3];
    OrtStatus *(ORT_CALL *KernelInfoGetAllocator)(const OrtKernelInfo *, int32_t memory_type, OrtAllocator **out);
} OrtApi;

#define ORT_SLOT(name, number) \
    _Static_assert(offsetof(OrtApi, name) == (number) * sizeof(ort_slot), "OrtApi: " #name " is slot " #number)
ORT_SLOT(CreateStatus, 0);
ORT_SLOT(GetErrorMessage, 2);
ORT_SLOT(CreateCustomOpDomain, 26);
ORT_SLOT(CustomOpDomain_Add, 27);
ORT_SLOT(AddCustomOpDomain, 28);
ORT_SLOT(GetTensorMutableData, 51);
ORT_SLOT(GetTensorElementType, 60);
ORT_SLOT(GetDimensionsCount, 61);
ORT_SLOT(GetDimensions, 62);
ORT_SLOT(GetTensorTypeAndShape, 65);
ORT_SLOT(AllocatorAlloc, 75);
ORT_SLOT(AllocatorFree, 76);
ORT_SLOT(KernelInfoGetAttribute_int64, 86);
ORT_SLOT(KernelContext_GetInput, 90);
ORT_SLOT(KernelContext_GetOutput, 91);
ORT_SLOT(ReleaseStatus, 93);
ORT_SLOT(ReleaseTensorTypeAndShapeInfo, 99);
ORT_SLOT(ReleaseCustomOpDomain, 101);
ORT_SLOT(ReleaseAllocator, 132);
ORT_SLOT(KernelInfoGetAttributeArray_int64, 163);
ORT_SLOT(KernelInfo_GetInputCount, 230);
ORT_SLOT(KernelInfoGetConstantInput_tensor, 249);
ORT_SLOT(KernelContext_ParallelFor, 274);
ORT_SLOT(KernelInfoGetAllocator, 278);

typedef struct OrtApiBase {
    const OrtApi *(ORT_CALL *GetApi)(uint32_t version); /* NULL if the runtime is older than that version */
    const char *(ORT_CALL *GetVersionString)(void);
} OrtApiBase;

/* What the runtime calls for one operator; fields after Compute are read if version says that they are there. */
struct OrtCustomOp {
    uint32_t version;
    void *(ORT_CALL *CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
    const char *(ORT_CALL *GetName)(const OrtCustomOp *);
    const char *(ORT_CALL *GetExecutionProviderType)(const OrtCustomOp *);
    int32_t(ORT_CALL *GetInputType)(const OrtCustomOp *, size_t index);
    size_t(ORT_CALL *GetInputTypeCount)(const OrtCustomOp *);
    int32_t(ORT_CALL *GetOutputType)(const OrtCustomOp *, size_t index);
    size_t(ORT_CALL *GetOutputTypeCount)(const OrtCustomOp *);
    void(ORT_CALL *KernelCompute)(void *kernel, OrtKernelContext *);
    void(ORT_CALL *KernelDestroy)(void *kernel);
    int32_t(ORT_CALL *GetInputCharacteristic)(const OrtCustomOp *, size_t index);
    int32_t(ORT_CALL *GetOutputCharacteristic)(const OrtCustomOp *, size_t index);
    int32_t(ORT_CALL *GetInputMemoryType)(const OrtCustomOp *, size_t index);
    int(ORT_CALL *GetVariadicInputMinArity)(const OrtCustomOp *);
    int(ORT_CALL *GetVariadicInputHomogeneity)(const OrtCustomOp *);
    int(ORT_CALL *GetVariadicOutputMinArity)(const OrtCustomOp *);
    int(ORT_CALL *GetVariadicOutputHomogeneity)(const OrtCustomOp *);
    OrtStatus *(ORT_CALL *CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **kernel);
    OrtStatus *(ORT_CALL *KernelComputeV2)(void *kernel, OrtKernelContext *);
    OrtStatus *(ORT_CALL *InferOutputShapeFn)(const OrtCustomOp *, OrtShapeInferContext *);
    int(ORT_CALL *GetStartVersion)(const OrtCustomOp *);
    int(ORT_CALL *GetEndVersion)(const OrtCustomOp *);
    size_t(ORT_CALL *GetMayInplace)(int **inputs, int **outputs);
    void(ORT_CALL *ReleaseMayInplace)(int *inputs, int *outputs);
    size_t(ORT_CALL *GetAliasMap)(int **inputs, int **outputs);
    void(ORT_CALL *ReleaseAliasMap)(int *inputs, int *outputs);
};
#endif
