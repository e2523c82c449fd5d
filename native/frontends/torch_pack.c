/* torch_pack.c: torch's operators onebit::pack*: signs of values, along the last dimension or (nchw) along dimension 1.
 */
#include <inttypes.h>

#include "torch_api.h"

#if !defined(__EXCEPTIONS)
#error "compile this file with -fexceptions: torch's exceptions pass through it"
#endif

/* OB_TYPE_* of a dtype, 0 for one without. */
static int32_t type_of(ob_dtype dtype) {
    return dtype == OB_DTYPE_float32    ? OB_TYPE_F32
           : dtype == OB_DTYPE_float16  ? OB_TYPE_F16
           : dtype == OB_DTYPE_bfloat16 ? OB_TYPE_BF16
           : dtype == OB_DTYPE_uint8    ? OB_TYPE_U8
           : dtype == OB_DTYPE_int8     ? OB_TYPE_S8
                                        : 0;
}

static bool channel_array(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, int64_t c, const void **data) {
    ob_view v;
    if (!ob_look(f, slot, name, dtype, &v)) return false;
    *data = v.data;
    return (v.dims == 1 && v.last == c) ||
           ob_fail(f, "%s has shape %s; expected (%" PRId64 ",): one value for each channel", name, OB_SHAPE(&v), c);
}

static bool pack(ob_frame *f, const uint64_t *stack, ob_handle *out, bool nchw, bool compared) {
    ob_view x;
    ob_dtype dtype;
    bool first;
    const void *threshold = NULL, *direction = NULL;
    ob_pack_call call = {0};
    if (!ob_dtype_of(f, stack[0], "x", &dtype)) return false;
    if (!(call.type = type_of(dtype)) || (call.type == OB_TYPE_U8 && !compared))
        return ob_fail(f, "x has dtype %s; expected float32, float16, bfloat16 or int8%s", ob_dtype_text(dtype),
                       compared ? " or uint8" : "; uint8 needs a threshold");
    if (!ob_look_channels(f, stack[0], "x", dtype, nchw, &first, &x)) return false;
    if (x.dims < (nchw ? 3 : 1) || x.dims > OB_MOST_DIMS || x.sizes[nchw ? 1 : x.dims - 1] < 1)
        return ob_fail(f, "x has shape %s; expected %s", OB_SHAPE(&x),
                       nchw ? "(N, C, ...) with C >= 1 signs to pack" : "(..., K) with K >= 1 signs to pack");
    call.c = nchw ? x.sizes[1] : x.last;
    if (compared && (!channel_array(f, stack[1], "threshold", OB_DTYPE_float32, call.c, &threshold) ||
                     !channel_array(f, stack[2], "direction", OB_DTYPE_int8, call.c, &direction)))
        return false;
    int64_t sizes[OB_MOST_DIMS];
    for (int64_t d = 0; d < x.dims; d++) sizes[d] = x.sizes[nchw && d > 0 && d + 1 < x.dims ? d + 1 : d];
    if (!ob_make(f, x.dims, sizes, ob_words_for(call.c), OB_DTYPE_int64, out, &call.out)) return false;
    if (!x.numel) return true;
    call.batch = first ? x.sizes[0] : x.numel / call.c;
    call.places = first ? x.numel / x.sizes[0] / call.c : 1;
    call.layout = first ? OB_CHANNELS_FIRST : OB_CHANNELS_LAST;
    call.x = x.data, call.threshold = threshold, call.direction = direction;
    return ob_follow_torch_threads(f) && ob_library_did(f, ob_pack(&call));
}

#define OB_PACK(name, nchw, compared)                                       \
    bool ob_op_##name(ob_frame *f, const uint64_t *stack, ob_handle *out) { \
        return pack(f, stack, out, nchw, compared);                         \
    }
OB_PACK(pack, false, false)
OB_PACK(pack_nchw, true, false)
OB_PACK(pack_threshold, false, true)
OB_PACK(pack_nchw_threshold, true, true)
