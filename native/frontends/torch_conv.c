/* torch_conv.c: torch's operators onebit::conv2d_*, conv2d_u8_*, conv2d_s8_*, max_pool2d and the weights of
 * convolutions. What they take is described once, in onebit.h; the checks here keep a direct call of torch.ops.onebit.*
 * inside its tensors. */
#include <inttypes.h>

#include "torch_api.h"

#if !defined(__EXCEPTIONS)
#error "compile this file with -fexceptions: torch's exceptions pass through it"
#endif

/* Where an operator's arguments stand: x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, and
 * multiplier, offset for pixels. */
enum { SLOT_MULTIPLIER = 10, SLOT_OFFSET = 11 };

static bool handle_fits(ob_frame *f, const ob_view *weights, int64_t n, int64_t c, int32_t groups, const int32_t *k) {
    const int64_t bytes = (int64_t)ob_conv_weights_bytes(n, c, groups, k);
    if (!bytes)
        return ob_fail(f, "n=%" PRId64 ", c=%" PRId64 ", groups=%d, kernel=[%d, %d] are out of range", n, c, groups,
                       k[0], k[1]);
    return (weights->dims == 1 && weights->last == bytes) ||
           ob_fail(f,
                   "weights has shape %s; the handle for n=%" PRId64 ", c=%" PRId64 ", groups=%d, kernel=[%d, %d] has "
                   "shape (%" PRId64 ",)",
                   OB_SHAPE(weights), n, c, groups, k[0], k[1], bytes);
}

bool ob_op_pack_conv_weights(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view rows;
    void *weights;
    int32_t groups, kernel[2];
    const int64_t c = (int64_t)stack[1];
    if (!ob_look(f, stack[0], "rows", OB_DTYPE_int64, &rows) || !ob_int(f, stack[2], "groups", &groups) ||
        !ob_ints(f, stack[3], "kernel", 2, kernel))
        return false;
    if (rows.dims != 4) return ob_fail(f, "rows has shape %s; expected (n, kh, kw, words)", OB_SHAPE(&rows));
    const int64_t n = rows.sizes[0], bytes = (int64_t)ob_conv_weights_bytes(n, c, groups, kernel);
    if (!bytes)
        return ob_fail(f, "rows has shape %s, c is %" PRId64 " and groups is %d; all must be in range", OB_SHAPE(&rows),
                       c, groups);
    if (rows.sizes[1] != kernel[0] || rows.sizes[2] != kernel[1] || rows.last != ob_words_for(c / groups))
        return ob_fail(f, "rows has shape %s; expected (n, %d, %d, %" PRId64 ") words", OB_SHAPE(&rows), kernel[0],
                       kernel[1], ob_words_for(c / groups));
    return ob_make(f, 1, NULL, bytes, OB_DTYPE_uint8, out, &weights) &&
           ob_library_did(f, ob_conv_weights_pack(rows.data, n, c, groups, kernel, weights, (size_t)bytes));
}

bool ob_op_unpack_conv_weights(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view weights;
    void *rows;
    int32_t groups, kernel[2];
    const int64_t n = (int64_t)stack[1], c = (int64_t)stack[2];
    if (!ob_look(f, stack[0], "weights", OB_DTYPE_uint8, &weights) || !ob_int(f, stack[3], "groups", &groups) ||
        !ob_ints(f, stack[4], "kernel", 2, kernel) || !handle_fits(f, &weights, n, c, groups, kernel))
        return false;
    const int64_t sizes[] = {n, kernel[0], kernel[1]};
    return ob_make(f, 4, sizes, ob_words_for(c / groups), OB_DTYPE_int64, out, &rows) &&
           ob_library_did(f, ob_conv_weights_unpack(weights.data, (size_t)weights.last, n, c, groups, kernel, rows));
}

/* ---- conv2d ----------------------------------------------------------------------------------------------------- */
static bool picture(ob_frame *f, uint64_t slot, ob_dtype dtype, int64_t last, ob_view *x) {
    if (!ob_look(f, slot, "x", dtype, x)) return false;
    return (x->dims == 4 && x->last == last) ||
           ob_fail(f, "x has shape %s; expected (N, H, W, %" PRId64 "), channels last", OB_SHAPE(x), last);
}

static bool integers(ob_frame *f, const uint64_t *stack, bool bytes, ob_conv2d_call *call) {
    call->n = (int64_t)stack[2], call->c = (int64_t)stack[3];
    if (!ob_ints(f, stack[4], "kernel", 2, call->kernel) || !ob_ints(f, stack[5], "stride", 2, call->stride) ||
        !ob_ints(f, stack[6], "padding", 4, call->padding) || !ob_ints(f, stack[7], "dilation", 2, call->dilation) ||
        !ob_int(f, stack[8], "groups", &call->groups) || !ob_int(f, stack[9], "pad_value", &call->pad_value))
        return false;
    return !bytes || (ob_int(f, stack[SLOT_MULTIPLIER], "multiplier", &call->multiplier) &&
                      ob_int(f, stack[SLOT_OFFSET], "offset", &call->offset));
}

static bool conv2d(ob_frame *f, const uint64_t *stack, ob_handle *out, ob_input input, int32_t gives) {
    static const struct {
        ob_status (*run)(const ob_conv2d_call *);
        size_t (*workspace)(const ob_conv2d_call *, int32_t);
    } of[] = {{ob_conv2d, ob_conv2d_workspace},
              {ob_conv2d_u8, ob_conv2d_u8_workspace},
              {ob_conv2d_s8, ob_conv2d_s8_workspace}};
    ob_view x, weights;
    ob_epilogue epilogue;
    ob_conv2d_call call = {.multiplier = 1, .epilogue = &epilogue};
    if (!integers(f, stack, input != OB_INPUT_WORDS, &call) ||
        !ob_look(f, stack[1], "weights", OB_DTYPE_uint8, &weights) ||
        !handle_fits(f, &weights, call.n, call.c, call.groups, call.kernel) ||
        !picture(f, stack[0], ob_input_dtype(input), input ? call.c : ob_words_for(call.c), &x))
        return false;
    const uint64_t *first = stack + (input ? SLOT_OFFSET + 1 : SLOT_MULTIPLIER);
    call.batch = x.sizes[0], call.height = x.sizes[1], call.width = x.sizes[2];
    int64_t sizes[3] = {call.batch};
    if (!ob_library_did(f, ob_conv2d_output(&call, sizes + 1)) || !ob_follow_torch_threads(f)) return false;
    call.workspace_bytes = of[input].workspace(&call, ob_get_threads());
    if (!call.workspace_bytes) return ob_library_did(f, of[input].run(&call)); /* refused, and by the sizes alone */
    if (!ob_epilogue_of(f, first, gives, 4, sizes, call.n, &epilogue, out, &call.out)) return false;
    call.x = x.data, call.weights = weights.data, call.weights_bytes = (size_t)weights.last;
    return ob_scratch(f, call.workspace_bytes, &call.workspace) && ob_library_did(f, of[input].run(&call));
}
#define OB_CONV2D(name, input, gives)                                       \
    bool ob_op_##name(ob_frame *f, const uint64_t *stack, ob_handle *out) { \
        return conv2d(f, stack, out, input, gives);                         \
    }
OB_CONV2D(conv2d_int32, OB_INPUT_WORDS, OB_OUTPUT_INT32)
OB_CONV2D(conv2d_float, OB_INPUT_WORDS, OB_OUTPUT_FLOAT)
OB_CONV2D(conv2d_bits, OB_INPUT_WORDS, OB_OUTPUT_BITS)
OB_CONV2D(conv2d_fused, OB_INPUT_WORDS, OB_GIVES_FUSED)
OB_CONV2D(conv2d_both, OB_INPUT_WORDS, OB_GIVES_BOTH)
OB_CONV2D(conv2d_u8_int32, OB_INPUT_U8, OB_OUTPUT_INT32)
OB_CONV2D(conv2d_u8_float, OB_INPUT_U8, OB_OUTPUT_FLOAT)
OB_CONV2D(conv2d_u8_bits, OB_INPUT_U8, OB_OUTPUT_BITS)
OB_CONV2D(conv2d_u8_fused, OB_INPUT_U8, OB_GIVES_FUSED)
OB_CONV2D(conv2d_u8_both, OB_INPUT_U8, OB_GIVES_BOTH)
OB_CONV2D(conv2d_s8_int32, OB_INPUT_S8, OB_OUTPUT_INT32)
OB_CONV2D(conv2d_s8_float, OB_INPUT_S8, OB_OUTPUT_FLOAT)
OB_CONV2D(conv2d_s8_bits, OB_INPUT_S8, OB_OUTPUT_BITS)
OB_CONV2D(conv2d_s8_fused, OB_INPUT_S8, OB_GIVES_FUSED)
OB_CONV2D(conv2d_s8_both, OB_INPUT_S8, OB_GIVES_BOTH)

/* ---- max_pool2d ------------------------------------------------------------------------------------------------- */
bool ob_op_max_pool2d(ob_frame *f, const uint64_t *stack, ob_handle *out) {
    ob_view x, minimum;
    ob_max_pool2d_call call = {.c = (int64_t)stack[1]};
    if (call.c < 1) return ob_fail(f, "c is %" PRId64 "; expected at least 1", call.c);
    const int64_t words = ob_words_for(call.c);
    if (!ob_ints(f, stack[2], "kernel", 2, call.kernel) || !ob_ints(f, stack[3], "stride", 2, call.stride) ||
        !ob_ints(f, stack[4], "padding", 4, call.padding) || !picture(f, stack[0], OB_DTYPE_int64, words, &x) ||
        !ob_look(f, stack[5], "minimum", OB_DTYPE_int64, &minimum))
        return false;
    if (minimum.dims != 1 || minimum.last != words)
        return ob_fail(f, "minimum has shape %s; expected (%" PRId64 ",) words", OB_SHAPE(&minimum), words);
    call.batch = x.sizes[0], call.height = x.sizes[1], call.width = x.sizes[2];
    int64_t sizes[3] = {call.batch};
    if (!ob_library_did(f, ob_max_pool2d_output(&call, sizes + 1)) ||
        !ob_make(f, 4, sizes, words, OB_DTYPE_int64, out, &call.out) || !ob_follow_torch_threads(f))
        return false;
    call.x = x.data, call.minimum = minimum.data;
    return ob_library_did(f, ob_max_pool2d(&call));
}
