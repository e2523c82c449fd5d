/* ort_dense.c: dense products of domain "onebit" inside ONNX Runtime; see ort_kernel.c for what they share. */
#include "onebit.h"
#include "ort_kernel.h"

OrtStatus *ob_ort_dense_run(const ort_kernel *kernel, const OrtKernelContext *context, const ob_epilogue *epilogue,
                            const ort_tensor *x, void *out, const ob_executor *executor) {
    static const struct {
        ob_status (*run)(const ob_dense_call *);
        size_t (*workspace)(int64_t, int64_t, int64_t, int32_t);
    } of[] = {
        {ob_dense, ob_dense_workspace}, {ob_dense_u8, ob_dense_u8_workspace}, {ob_dense_s8, ob_dense_s8_workspace}};
    const ort_family input = kernel->op->family - ORT_DENSE;
    size_t bytes = of[input].workspace(x->rows, kernel->n, kernel->k, executor->threads);
    void *memory = NULL;
    const void *weights = NULL;
    OrtStatus *status = ob_ort_weights(kernel, context, &weights);
    if (!status) status = ob_ort_scratch(kernel, bytes, &memory);
    if (status) return status;
    ob_dense_call call = {.m = x->rows,
                          .n = kernel->n,
                          .k = kernel->k,
                          .x = x->data,
                          .weights = weights,
                          .weights_bytes = kernel->weights_bytes,
                          .epilogue = epilogue,
                          .out = out,
                          .workspace = memory ? ob_ort_align_up(memory) : NULL,
                          .workspace_bytes = bytes,
                          .executor = executor};
    status = ob_ort_refuse_status(kernel, of[input].run(&call));
    return ob_ort_release(kernel, memory, status);
}
