/* torch_network.c: torch's operator onebit::network: a whole network in one call.
 *
 * It takes lists of any length, so it keeps its own handles in place of a frame's few: those of the constants are
 * looked at anew in every call, because a tensor's memory may move between two calls. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "torch_api.h"

#if !defined(__EXCEPTIONS)
#error "compile this file with -fexceptions: torch's exceptions pass through it"
#endif

enum { FEW = 128, MOST_ENDS = 8 }; /* MOST_ENDS: a frame must hold each, and a copy of each input */

/* The arguments: two lists, the network's number, the version of the constants. */
enum { SLOT_INPUTS, SLOT_CONSTANTS, SLOT_NUMBER, SLOT_VERSION };

static ob_dtype dtype_of(int32_t type) {
    static const ob_dtype of[] = {
        [OB_TYPE_F32] = OB_DTYPE_float32, [OB_TYPE_F16] = OB_DTYPE_float16, [OB_TYPE_BF16] = OB_DTYPE_bfloat16,
        [OB_TYPE_U8] = OB_DTYPE_uint8,    [OB_TYPE_S8] = OB_DTYPE_int8,     [OB_TYPE_S32] = OB_DTYPE_int32,
        [OB_TYPE_WORDS] = OB_DTYPE_int64,
    };
    return of[type];
}

/* ---- what arrives ---- */
/* The items of both lists, whose handles are this call's to delete, and where the constants are. */
typedef struct arrived {
    ob_handle few_handles[FEW], *handles;
    const void *few_data[FEW], **constants;
    size_t inputs, all;
} arrived;

static size_t size_of(ob_list list) {
    size_t size = 0;
    return ob_torch.torch_list_size(list, &size) ? 0 : size;
}

static void take_items(ob_list list, ob_handle *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t slot;
        to[i] = ob_torch.torch_list_get_item(list, i, &slot) ? NULL : (ob_handle)(uintptr_t)slot;
    }
}

static bool take(ob_frame *f, const uint64_t *stack, arrived *a) {
    const ob_list inputs = (ob_list)(uintptr_t)stack[SLOT_INPUTS],
                  constants = (ob_list)(uintptr_t)stack[SLOT_CONSTANTS];
    a->handles = a->few_handles, a->constants = a->few_data;
    a->inputs = size_of(inputs);
    const size_t all = a->inputs + size_of(constants);
    if (all > FEW) {
        a->handles = malloc(all * sizeof *a->handles), a->constants = malloc(all * sizeof *a->constants);
        if (!a->handles || !a->constants) return ob_fail(f, "no memory for %zu tensors", all);
    }
    a->all = all;
    take_items(inputs, a->handles, a->inputs);
    take_items(constants, a->handles + a->inputs, all - a->inputs);
    return true;
}

static void delete_arrived(arrived *a) {
    for (size_t i = 0; i < a->all; i++)
        if (a->handles[i]) ob_torch.aoti_torch_delete_tensor_object(a->handles[i]);
    if (a->handles != a->few_handles) free(a->handles);
    if (a->constants != a->few_data) free(a->constants);
}

static bool look_at_constants(ob_frame *f, const ob_network *net, arrived *a) {
    const size_t count = a->all - a->inputs;
    if (count != (size_t)net->constant_count)
        return ob_fail(f, "constants has %zu tensors; the network has %d", count, net->constant_count);
    for (size_t i = 0; i < count; i++) {
        int64_t bytes;
        const uint64_t slot = (uint64_t)(uintptr_t)a->handles[a->inputs + i];
        if (!ob_look_where_it_is(f, slot, "a constant", &bytes, &a->constants[i])) return false;
        if (bytes != net->constant_bytes[i])
            return ob_fail(f, "constant %zu has %" PRId64 " bytes; the network's has %" PRId64, i, bytes,
                           net->constant_bytes[i]);
    }
    return true;
}

static bool look_at_input(ob_frame *f, const ob_value *v, ob_handle input, int64_t *batch, const void **data) {
    ob_view x;
    if (!ob_look(f, (uint64_t)(uintptr_t)input, "an input", dtype_of(v->type), &x)) return false;
    if (*batch < 0) *batch = x.sizes[0];
    bool same = x.dims == v->dims + 1 && x.sizes[0] == *batch;
    for (int32_t d = 0; same && d < v->dims; d++) same = x.sizes[d + 1] == v->sizes[d];
    *data = x.data;
    return same || ob_fail(f, "an input has shape %s, which is not the network's, or another batch", OB_SHAPE(&x));
}

static bool look_at_inputs(ob_frame *f, const ob_network *net, const arrived *a, int64_t *batch, const void **data) {
    if (a->inputs != (size_t)net->input_count || a->inputs > MOST_ENDS)
        return ob_fail(f, "inputs has %zu tensors; the network has %d, and %d at most are taken", a->inputs,
                       net->input_count, MOST_ENDS);
    *batch = -1;
    for (size_t i = 0; i < a->inputs; i++)
        if (!look_at_input(f, &net->values[net->inputs[i]], a->handles[i], batch, &data[i])) return false;
    return true;
}

static bool make_output(ob_frame *f, const ob_value *v, int64_t batch, ob_handle *out, void **data) {
    int64_t sizes[OB_VALUE_DIMS + 1] = {batch};
    memcpy(sizes + 1, v->sizes, (size_t)v->dims * sizeof *sizes);
    return ob_make(f, v->dims + 1, sizes, sizes[v->dims], dtype_of(v->type), out, data);
}

/* ---- the operator ---- */
static bool run(ob_frame *f, const uint64_t *stack, ob_held_network *n, arrived *a, ob_handle *out) {
    const void *inputs[MOST_ENDS];
    void *outputs[MOST_ENDS];
    ob_network_call call = {.version = (int64_t)stack[SLOT_VERSION], .inputs = inputs, .outputs = outputs};
    if (n->of.output_count > MOST_ENDS)
        return ob_fail(f, "the network has %d outputs; %d at most are given", n->of.output_count, MOST_ENDS);
    if (!look_at_inputs(f, &n->of, a, &call.batch, inputs) || !look_at_constants(f, &n->of, a) ||
        !ob_follow_torch_threads(f))
        return false;
    for (int32_t i = 0; i < n->of.output_count; i++)
        if (!make_output(f, &n->of.values[n->of.outputs[i]], call.batch, &out[i], &outputs[i])) return false;
    call.constants = a->constants;
    return ob_library_did(f, ob_network_run_held(n, &call));
}

/* A list of the outputs, which takes their handles. */
static bool list_of(ob_frame *f, const ob_handle *out, int32_t count, ob_list *list) {
    if (!ob_torch_did(f, ob_torch.torch_new_list_reserve_size((size_t)count, list), "make a list")) return false;
    for (int32_t i = 0; i < count; i++) {
        const int32_t status = ob_torch.torch_list_push_back(*list, (uint64_t)(uintptr_t)out[i]);
        if (!ob_torch_did(f, status, "fill a list")) return false;
    }
    for (int i = 0; i < f->count; i++) /* the list has them now */
        for (int32_t o = 0; o < count; o++)
            if (f->held[i] == out[o]) f->held[i] = NULL;
    return true;
}

static bool call_network(ob_frame *f, const uint64_t *stack, arrived *a, ob_list *list) {
    ob_handle out[MOST_ENDS];
    if (!take(f, stack, a)) return false;
    ob_held_network *n = ob_network_hold((int64_t)stack[SLOT_NUMBER]);
    if (!n) return ob_fail(f, "there is no network %" PRId64, (int64_t)stack[SLOT_NUMBER]);
    const int32_t outputs = n->of.output_count;
    const bool done = run(f, stack, n, a, out);
    ob_network_let_go(n);
    return done && list_of(f, out, outputs, list);
}

void ob_boxed_network(uint64_t *stack, uint64_t inputs, uint64_t outputs) {
    (void)inputs, (void)outputs; /* the schema's */
    ob_frame f = {.op = "network"};
    arrived a;
    ob_list list = NULL;
    a.all = 0;
    const bool done = call_network(&f, stack, &a, &list);
    delete_arrived(&a);
    for (int i = 0; i < f.count; i++)
        if (f.held[i]) ob_torch.aoti_torch_delete_tensor_object(f.held[i]);
    ob_torch.torch_delete_list((ob_list)(uintptr_t)stack[SLOT_INPUTS]);
    ob_torch.torch_delete_list((ob_list)(uintptr_t)stack[SLOT_CONSTANTS]);
    if (!done && list) ob_torch.torch_delete_list(list);
    if (!done) ob_torch.aoti_torch_check(false, f.op, "onebit/torch_network.c", 0, f.error);
    stack[0] = (uint64_t)(uintptr_t)list;
}
