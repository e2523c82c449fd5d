/* torch_shim.c: the CPU kernels of torch's operators onebit::*, through torch's C shim (aoti_torch_*, torch_*).
 *
 * No torch headers and no torch at link time: the shim's functions live in the libtorch_cpu of whatever torch this
 * process has loaded, and each is looked up by name. If one is missing, nothing is registered and the caller keeps
 * its Python kernels. The schemas are defined by the caller (onebit/ops): a schema has one home.
 *
 * A kernel owns the handles it is given; a frame notes each of them and each one made, so that every way out deletes
 * them all. The Python lock is not held.
 *
 * Errors: a kernel has no status to return, so it must throw, and C cannot. aoti_torch_check can: torch's own function
 * throws torch's own exception, which passes through call_boxed and its caller and arrives in Python as a RuntimeError
 * (in C++ as c10::Error). That needs unwind tables here, hence -fexceptions, and no C++ runtime in this library. */
#include <inttypes.h>

#include "torch_api.h"

#if !defined(__EXCEPTIONS)
#error "compile this file with -fexceptions: torch's exceptions pass through it"
#endif

/* ---- unpack, weights ----------------------------------------------------------------------------------------------
 */
static bool words_fit(ob_frame *f, const ob_view *words, const char *name, int64_t k) {
    if (k < 1) return ob_fail(f, "k is %" PRId64 "; expected at least 1", k);
    return words->last == ob_words_for(k) || ob_fail(f, "%s has shape %s; k=%" PRId64 " needs (..., %" PRId64 ") words",
                                                     name, OB_SHAPE(words), k, ob_words_for(k));
}

static bool handle_fits(ob_frame *f, const ob_view *weights, int64_t n, int64_t k) {
    const int64_t bytes = (int64_t)ob_weights_bytes(n, k);
    if (!bytes) return ob_fail(f, "n is %" PRId64 " and k is %" PRId64 "; expected both at least 1 and in range", n, k);
    return (weights->dims == 1 && weights->last == bytes) ||
           ob_fail(f, "weights has shape %s; the handle for n=%" PRId64 ", k=%" PRId64 " has shape (%" PRId64 ",)",
                   OB_SHAPE(weights), n, k, bytes);
}

bool ob_op_unpack(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view words;
    void *x;
    const int64_t k = (int64_t)stack[1];
    if (!ob_look(f, stack[0], "words", OB_DTYPE_int64, &words) || !words_fit(f, &words, "words", k) ||
        !ob_make(f, words.dims, words.sizes, k, OB_DTYPE_float32, out, &x))
        return false;
    if (!words.numel) return true;
    return ob_follow_torch_threads(f) &&
           ob_library_did(f, ob_unpack_f32(words.data, words.numel / words.last, k, x, NULL));
}

bool ob_op_pack_weights(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view rows;
    void *weights;
    const int64_t k = (int64_t)stack[1];
    if (!ob_look(f, stack[0], "rows", OB_DTYPE_int64, &rows)) return false;
    if (rows.dims != 2) return ob_fail(f, "rows has shape %s; expected (N, ceil(k / 64))", OB_SHAPE(&rows));
    const int64_t n = rows.sizes[0], bytes = (int64_t)ob_weights_bytes(n, k);
    if (!bytes) return ob_fail(f, "rows has shape %s and k is %" PRId64 "; both must be in range", OB_SHAPE(&rows), k);
    if (!words_fit(f, &rows, "rows", k) || !ob_make(f, 1, NULL, bytes, OB_DTYPE_uint8, out, &weights)) return false;
    return ob_library_did(f, ob_weights_pack(rows.data, n, k, weights, (size_t)bytes));
}

bool ob_op_unpack_weights(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view weights;
    void *rows;
    const int64_t n = (int64_t)stack[1], k = (int64_t)stack[2];
    if (!ob_look(f, stack[0], "weights", OB_DTYPE_uint8, &weights) || !handle_fits(f, &weights, n, k) ||
        !ob_make(f, 2, &n, ob_words_for(k), OB_DTYPE_int64, out, &rows))
        return false;
    return ob_library_did(f, ob_weights_unpack(weights.data, (size_t)weights.last, n, k, rows));
}

/* ---- dense ------------------------------------------------------------------------------------------------------ */
static bool dense(ob_frame *f, const uint64_t *stack, ob_handle *out, ob_input input, int32_t gives) {
    static const struct {
        ob_status (*run)(const ob_dense_call *);
        size_t (*workspace)(int64_t, int64_t, int64_t, int32_t);
    } of[] = {
        {ob_dense, ob_dense_workspace}, {ob_dense_u8, ob_dense_u8_workspace}, {ob_dense_s8, ob_dense_s8_workspace}};
    ob_view x, weights;
    ob_epilogue epilogue;
    ob_dense_call call = {.n = (int64_t)stack[2], .k = (int64_t)stack[3], .epilogue = &epilogue};
    if (!ob_look(f, stack[1], "weights", OB_DTYPE_uint8, &weights) || !handle_fits(f, &weights, call.n, call.k) ||
        !ob_look(f, stack[0], "x", ob_input_dtype(input), &x))
        return false;
    if (input && x.last != call.k)
        return ob_fail(f, "x has shape %s; expected (..., k) with k=%" PRId64, OB_SHAPE(&x), call.k);
    if (!input && !words_fit(f, &x, "x", call.k)) return false;
    if (!ob_epilogue_of(f, stack + 4, gives, x.dims, x.sizes, call.n, &epilogue, out, &call.out)) return false;
    call.m = x.numel / x.last;
    if (!call.m) return true;
    call.x = x.data, call.weights = weights.data, call.weights_bytes = (size_t)weights.last;
    if (!ob_follow_torch_threads(f)) return false;
    call.workspace_bytes = of[input].workspace(call.m, call.n, call.k, ob_get_threads());
    return ob_scratch(f, call.workspace_bytes, &call.workspace) && ob_library_did(f, of[input].run(&call));
}
#define OB_DENSE(name, input, gives)                                        \
    bool ob_op_##name(ob_frame *f, const uint64_t *stack, ob_handle *out) { \
        return dense(f, stack, out, input, gives);                          \
    }
OB_DENSE(dense_int32, OB_INPUT_WORDS, OB_OUTPUT_INT32)
OB_DENSE(dense_float, OB_INPUT_WORDS, OB_OUTPUT_FLOAT)
OB_DENSE(dense_bits, OB_INPUT_WORDS, OB_OUTPUT_BITS)
OB_DENSE(dense_fused, OB_INPUT_WORDS, OB_GIVES_FUSED)
OB_DENSE(dense_both, OB_INPUT_WORDS, OB_GIVES_BOTH)
OB_DENSE(dense_u8_int32, OB_INPUT_U8, OB_OUTPUT_INT32)
OB_DENSE(dense_u8_float, OB_INPUT_U8, OB_OUTPUT_FLOAT)
OB_DENSE(dense_u8_bits, OB_INPUT_U8, OB_OUTPUT_BITS)
OB_DENSE(dense_u8_fused, OB_INPUT_U8, OB_GIVES_FUSED)
OB_DENSE(dense_u8_both, OB_INPUT_U8, OB_GIVES_BOTH)
OB_DENSE(dense_s8_int32, OB_INPUT_S8, OB_OUTPUT_INT32)
OB_DENSE(dense_s8_float, OB_INPUT_S8, OB_OUTPUT_FLOAT)
OB_DENSE(dense_s8_bits, OB_INPUT_S8, OB_OUTPUT_BITS)
OB_DENSE(dense_s8_fused, OB_INPUT_S8, OB_GIVES_FUSED)
OB_DENSE(dense_s8_both, OB_INPUT_S8, OB_GIVES_BOTH)

/* ---- the boxed kernels and their registration ------------------------------------------------------------------- */
/* Notes the tensors of a list, which the kernel owns too; those of a list that is too long are deleted at once. */
static void hold_items(ob_frame *f, ob_list list) {
    size_t count = 0;
    if (ob_torch.torch_list_size(list, &count)) return;
    for (size_t i = 0; i < count; i++) {
        uint64_t item;
        if (ob_torch.torch_list_get_item(list, i, &item)) continue;
        if (i < OB_MOST_ITEMS)
            f->held[f->count++] = (ob_handle)(uintptr_t)item;
        else
            ob_torch.aoti_torch_delete_tensor_object((ob_handle)(uintptr_t)item);
    }
}

/* Runs an operator; this is the frame that torch's exception passes through, with nothing left to clean up. */
static void call_boxed(const char *op, bool (*run)(ob_frame *, const uint64_t *, ob_handle *), const char *signature,
                       uint64_t *stack) {
    ob_frame f = {.op = op};
    ob_handle out[2] = {NULL, NULL};
    for (int i = 0; signature[i]; i++) {
        if (signature[i] == 't') f.held[f.count++] = (ob_handle)(uintptr_t)stack[i];
        if (signature[i] == 'v') hold_items(&f, (ob_list)(uintptr_t)stack[i]);
    }
    const bool done = run(&f, stack, out);
    for (int i = 0; signature[i]; i++)
        if (signature[i] == 'l' || signature[i] == 'v') ob_torch.torch_delete_list((ob_list)(uintptr_t)stack[i]);
    for (int i = 0; i < f.count; i++)
        if (!done || (f.held[i] != out[0] && f.held[i] != out[1])) ob_torch.aoti_torch_delete_tensor_object(f.held[i]);
    if (!done) ob_torch.aoti_torch_check(false, op, "onebit/torch_shim.c", 0, f.error);
    stack[0] = (uint64_t)(uintptr_t)out[0];
    if (out[1]) stack[1] = (uint64_t)(uintptr_t)out[1];
}

#define OB_BOXED(name, signature)                                                           \
    static void boxed_##name(uint64_t *stack, uint64_t inputs, uint64_t outputs) {          \
        (void)inputs, (void)outputs; /* the schema's, which this file's table must match */ \
        call_boxed(#name, ob_op_##name, signature, stack);                                  \
    }
OB_OPERATORS(OB_BOXED)

ob_status ob_register_torch(void) {
    static ob_handle library; /* kept: its end would remove the kernels */
    if (library) return OB_OK;
    if (!ob_torch_find()) return OB_ERROR_TORCH;
    if (ob_torch.aoti_torch_library_init_impl("onebit", "CPU", "torch_shim.c", 0, &library)) {
        library = NULL;
        return OB_ERROR_TORCH;
    }
    static const struct {
        const char *name;
        ob_boxed *kernel;
    } operators[] = {
#define OB_ROW(name, signature) {#name, boxed_##name},
        OB_OPERATORS(OB_ROW){"network", ob_boxed_network}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (ob_torch.aoti_torch_library_impl(library, operators[i].name, operators[i].kernel)) {
            ob_torch.aoti_torch_delete_library_object(library);
            library = NULL;
            return OB_ERROR_TORCH;
        }
    return OB_OK;
}
