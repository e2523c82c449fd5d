/* torch_api.c: see torch_api.h. */
#include "torch_api.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct ob_torch_functions ob_torch;

#define OB_DTYPE_NAME(name) #name,
static const char *const dtype_names[OB_DTYPE_COUNT] = {OB_DTYPES(OB_DTYPE_NAME)};
static const size_t dtype_bytes[OB_DTYPE_COUNT] = {4, 8, 1, 4, 1, 8, 2, 2, 2, 1};
static int32_t dtype_codes[OB_DTYPE_COUNT]; /* torch's numbers */

bool ob_torch_find(void) {
    static const char *const files[] = {"libtorch_cpu.so", "libtorch_cpu.dylib", "@rpath/libtorch_cpu.dylib"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files && !library; i++)
        library = dlopen(files[i], RTLD_LAZY | RTLD_NOLOAD); /* NOLOAD: the one that is there, never another one */
    if (!library) return false;
#define OB_FIND(result, name, parameters) \
    if (!(*(void **)&ob_torch.name = dlsym(library, #name))) return false;
    OB_SHIM(OB_FIND)
    for (int d = 0; d < OB_DTYPE_COUNT; d++) {
        char name[64];
        int32_t (*code)(void);
        snprintf(name, sizeof name, "aoti_torch_dtype_%s", dtype_names[d]);
        if (!(*(void **)&code = dlsym(library, name))) return false;
        dtype_codes[d] = code();
    }
    return true;
}

bool ob_fail(ob_frame *f, const char *format, ...) {
    va_list values;
    const int used = snprintf(f->error, sizeof f->error, "onebit::%s: ", f->op);
    va_start(values, format);
    vsnprintf(f->error + used, sizeof f->error - (size_t)used, format, values);
    va_end(values);
    return false;
}

bool ob_torch_did(ob_frame *f, int32_t status, const char *what) {
    return !status || ob_fail(f, "torch could not %s", what);
}

bool ob_library_did(ob_frame *f, ob_status status) {
    return !status || ob_fail(f, "%s (libonebit status %d)", ob_status_text(status), (int)status);
}

const char *ob_shape_text(const ob_view *v, char *text, size_t bytes) {
    size_t used = (size_t)snprintf(text, bytes, "(");
    for (int64_t d = 0; d < v->dims && used < bytes; d++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%" PRId64, d ? ", " : "", v->sizes[d]);
    if (used < bytes) snprintf(text + used, bytes - used, v->dims == 1 ? ",)" : ")");
    return text;
}

bool ob_make(ob_frame *f, int64_t dims, const int64_t *sizes, int64_t last, ob_dtype dtype, ob_handle *out,
             void **data) {
    int64_t size[OB_MOST_DIMS], stride[OB_MOST_DIMS], step = 1;
    if (dims > OB_MOST_DIMS)
        return ob_fail(f, "a tensor has %" PRId64 " dimensions; at most %d are taken", dims, OB_MOST_DIMS);
    for (int64_t d = dims - 1; d >= 0; d--) {
        size[d] = d == dims - 1 ? last : sizes[d];
        stride[d] = step;
        if (__builtin_mul_overflow(step, size[d] > 0 ? size[d] : 1, &step)) step = INT64_MAX;
    }
    const ob_view made = {.dims = dims, .sizes = size};
    if (step > INT64_MAX / 8) return ob_fail(f, "a tensor of shape %s has too many numbers", OB_SHAPE(&made));
    const int32_t cpu = ob_torch.aoti_torch_device_type_cpu();
    const int32_t status = ob_torch.aoti_torch_empty_strided(dims, size, stride, dtype_codes[dtype], cpu, 0, out);
    if (status) return ob_fail(f, "torch could not allocate a tensor of shape %s", OB_SHAPE(&made));
    f->held[f->count++] = *out;
    return ob_torch_did(f, ob_torch.torch_get_mutable_data_ptr(*out, data), "give the address of a tensor");
}

static bool describe(ob_frame *f, ob_handle tensor, const char *name, ob_dtype dtype, ob_view *v) {
    int32_t code = -1, device = -1;
    if (ob_torch.aoti_torch_get_dtype(tensor, &code) || ob_torch.aoti_torch_get_device_type(tensor, &device) ||
        ob_torch.aoti_torch_get_dim(tensor, &v->dims) || ob_torch.aoti_torch_get_sizes(tensor, &v->sizes) ||
        ob_torch.aoti_torch_get_numel(tensor, &v->numel))
        return ob_fail(f, "torch could not describe %s", name);
    if (code != dtype_codes[dtype]) {
        const char *arrived = "another dtype";
        for (int d = 0; d < OB_DTYPE_COUNT; d++)
            if (dtype_codes[d] == code) arrived = dtype_names[d];
        return ob_fail(f, "%s has dtype %s; expected %s", name, arrived, dtype_names[dtype]);
    }
    if (device != ob_torch.aoti_torch_device_type_cpu())
        return ob_fail(f, "%s is not on the CPU; call .cpu() first", name);
    if (v->dims < 1) return ob_fail(f, "%s has shape (); expected at least one dimension", name);
    v->last = v->sizes[v->dims - 1];
    return true;
}

static bool copy(ob_frame *f, ob_handle tensor, ob_dtype dtype, ob_view *v) {
    ob_handle copied;
    void *data;
    if (!ob_make(f, v->dims, v->sizes, v->last, dtype, &copied, &data)) return false;
    v->data = data;
    return ob_torch_did(f, ob_torch.aoti_torch_copy_(copied, tensor, 0), "copy a tensor");
}

bool ob_look(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, ob_view *v) {
    const ob_handle tensor = (ob_handle)(uintptr_t)slot;
    bool dense = false;
    if (!describe(f, tensor, name, dtype, v)) return false;
    if (ob_torch.aoti_torch_is_contiguous(tensor, &dense) || ob_torch.torch_get_const_data_ptr(tensor, &v->data))
        return ob_fail(f, "torch could not give the address of %s", name);
    if (dense && (uintptr_t)v->data % dtype_bytes[dtype] == 0) return true; /* a view of a file may lie anywhere */
    return copy(f, tensor, dtype, v);
}

bool ob_look_where_it_is(ob_frame *f, uint64_t slot, const char *name, int64_t *bytes, const void **data) {
    const ob_handle tensor = (ob_handle)(uintptr_t)slot;
    int32_t code = -1, device = -1;
    bool dense = false;
    if (ob_torch.aoti_torch_get_dtype(tensor, &code) || ob_torch.aoti_torch_get_device_type(tensor, &device) ||
        ob_torch.aoti_torch_get_numel(tensor, bytes) || ob_torch.aoti_torch_is_contiguous(tensor, &dense) ||
        ob_torch.torch_get_const_data_ptr(tensor, data))
        return ob_fail(f, "torch could not describe %s", name);
    int d = 0;
    while (d < OB_DTYPE_COUNT && dtype_codes[d] != code) d++;
    if (d == OB_DTYPE_COUNT) return ob_fail(f, "%s has a dtype that none has", name);
    *bytes *= (int64_t)dtype_bytes[d];
    if (device != ob_torch.aoti_torch_device_type_cpu()) return ob_fail(f, "%s is not on the CPU", name);
    return dense || ob_fail(f, "%s is not contiguous; call .contiguous() first", name);
}

bool ob_dtype_of(ob_frame *f, uint64_t slot, const char *name, ob_dtype *dtype) {
    int32_t code = -1;
    if (ob_torch.aoti_torch_get_dtype((ob_handle)(uintptr_t)slot, &code))
        return ob_fail(f, "torch could not describe %s", name);
    int d = 0;
    while (d < OB_DTYPE_COUNT && dtype_codes[d] != code) d++;
    *dtype = (ob_dtype)d;
    return true;
}

const char *ob_dtype_text(ob_dtype dtype) {
    return dtype < OB_DTYPE_COUNT ? dtype_names[dtype] : "another dtype";
}

/* True if the values lie without gaps in the order batch, channel, places (first) or batch, places, channel. */
static bool lies(const ob_view *v, const int64_t *strides, bool nchw, bool first) {
    const int64_t channel = nchw ? 1 : v->dims - 1;
    int64_t step = 1;
    for (int64_t i = 0; i < v->dims; i++) { /* from the fastest dimension on */
        int64_t d = v->dims - 1 - i;        /* where the channel is no exception */
        if (first && !nchw) d = i == v->dims - 1 ? 0 : i == v->dims - 2 ? channel : d - 1;
        if (!first && nchw) d = i == 0 ? channel : d + 1 > channel ? d + 1 : d;
        if (v->sizes[d] != 1 && strides[d] != step) return false;
        step *= v->sizes[d];
    }
    return true;
}

bool ob_look_channels(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, bool nchw, bool *first,
                      ob_view *v) {
    const ob_handle tensor = (ob_handle)(uintptr_t)slot;
    int64_t *strides;
    if (!describe(f, tensor, name, dtype, v)) return false;
    if (ob_torch.aoti_torch_get_strides(tensor, &strides) || ob_torch.torch_get_const_data_ptr(tensor, &v->data))
        return ob_fail(f, "torch could not give the address of %s", name);
    *first = nchw;
    if (v->dims < (nchw ? 2 : 1) || lies(v, strides, nchw, nchw)) return true;
    *first = !nchw;
    if (v->dims > 2 && lies(v, strides, nchw, !nchw)) return true;
    *first = nchw;
    return copy(f, tensor, dtype, v);
}

/* ---- arguments that several operators share ------------------------------------------------------------------------
 */
enum { MOST_THREADS = 1024 }; /* ob_set_threads takes no more */

bool ob_int(ob_frame *f, uint64_t slot, const char *name, int32_t *value) {
    const int64_t given = (int64_t)slot;
    if (given < INT32_MIN || given > INT32_MAX) return ob_fail(f, "%s is %" PRId64 ", out of range", name, given);
    *value = (int32_t)given;
    return true;
}

bool ob_ints(ob_frame *f, uint64_t slot, const char *name, size_t count, int32_t *values) {
    const ob_list list = (ob_list)(uintptr_t)slot;
    size_t given = 0;
    if (!ob_torch_did(f, ob_torch.torch_list_size(list, &given), "count a list")) return false;
    if (given != count) return ob_fail(f, "%s has %zu values; expected %zu", name, given, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (!ob_torch_did(f, ob_torch.torch_list_get_item(list, i, &value), "read a list")) return false;
        if (!ob_int(f, value, name, &values[i])) return false;
    }
    return true;
}

bool ob_follow_torch_threads(ob_frame *f) {
    uint32_t threads = 1;
    if (!ob_torch_did(f, ob_torch.torch_get_num_threads(&threads), "count its threads")) return false;
    const int32_t wanted = threads < MOST_THREADS ? (int32_t)threads : MOST_THREADS;
    return wanted == ob_get_threads() || ob_library_did(f, ob_set_threads(wanted));
}

bool ob_scratch(ob_frame *f, size_t bytes, void **memory) {
    ob_handle scratch;
    *memory = NULL;
    if (!bytes) return true;
    if (!ob_make(f, 1, NULL, (int64_t)bytes + 63, OB_DTYPE_uint8, &scratch, memory)) return false;
    *memory = (void *)(((uintptr_t)*memory + 63) & ~(uintptr_t)63);
    return true;
}

static bool channels(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, int64_t n, const void **data) {
    ob_view v;
    if (!ob_look(f, slot, name, dtype, &v)) return false;
    *data = v.data;
    return (v.dims == 1 && v.last == n) ||
           ob_fail(f, "%s has shape %s; expected (%" PRId64 ",): one value for each of n", name, OB_SHAPE(&v), n);
}

/* The handles in a Tensor[] argument; the frame holds them already. */
static bool items(ob_frame *f, uint64_t slot, const char *name, size_t most, uint64_t *to, size_t *count) {
    const ob_list list = (ob_list)(uintptr_t)slot;
    if (!ob_torch_did(f, ob_torch.torch_list_size(list, count), "count a list")) return false;
    if (*count > most) return ob_fail(f, "%s has %zu tensors; expected at most %zu", name, *count, most);
    for (size_t i = 0; i < *count; i++)
        if (!ob_torch_did(f, ob_torch.torch_list_get_item(list, i, &to[i]), "read a list")) return false;
    return true;
}

/* activation (none, a slope, or low and high), residual (none, or one) and whether it is added last. */
static bool steps(ob_frame *f, const uint64_t *first, int64_t dims, const int64_t *sizes, int64_t n, ob_epilogue *e) {
    uint64_t arrays[2], residual;
    size_t count;
    const void *a = NULL, *b = NULL;
    ob_view v;
    if (!items(f, first[0], "activation", 2, arrays, &count)) return false;
    if (count == 1 && !channels(f, arrays[0], "slope", OB_DTYPE_float32, n, &a)) return false;
    if (count == 2 && (!channels(f, arrays[0], "low", OB_DTYPE_float32, n, &a) ||
                       !channels(f, arrays[1], "high", OB_DTYPE_float32, n, &b)))
        return false;
    if (count == 1) e->activation = OB_ACTIVATION_PRELU, e->slope = a;
    if (count == 2) e->activation = OB_ACTIVATION_CLAMP, e->low = a, e->high = b;
    if (!items(f, first[1], "residual", 1, &residual, &count)) return false;
    e->residual_last = first[2] & 1;
    if (!count) return true;
    if (!ob_look(f, residual, "residual", OB_DTYPE_float32, &v)) return false;
    bool same = v.dims == dims && v.last == n;
    for (int64_t d = 0; same && d + 1 < dims; d++) same = v.sizes[d] == sizes[d];
    e->residual = v.data;
    return same || ob_fail(f, "residual has shape %s; expected the shape of the result", OB_SHAPE(&v));
}

bool ob_epilogue_of(ob_frame *f, const uint64_t *first, int32_t gives, int64_t dims, const int64_t *sizes, int64_t n,
                    ob_epilogue *e, ob_handle *out, void **data) {
    const void *a = NULL, *b = NULL;
    const bool has_steps = gives == OB_GIVES_FUSED || gives == OB_GIVES_BOTH;
    *e = (ob_epilogue){.output = gives == OB_GIVES_FUSED ? OB_OUTPUT_FLOAT : gives};
    if (gives == OB_OUTPUT_FLOAT || has_steps) {
        if (!channels(f, first[0], "scale", OB_DTYPE_float32, n, &a)) return false;
        if (!channels(f, first[1], "bias", OB_DTYPE_float32, n, &b)) return false;
        e->scale = a, e->bias = b;
        if (has_steps && !steps(f, first + 2, dims, sizes, n, e)) return false;
    }
    if (gives == OB_OUTPUT_BITS || gives == OB_GIVES_BOTH) {
        const uint64_t *slot = gives == OB_OUTPUT_BITS ? first : first + 5;
        const ob_dtype dtype = gives == OB_OUTPUT_BITS ? OB_DTYPE_int32 : OB_DTYPE_float32;
        if (!channels(f, slot[0], "threshold", dtype, n, &a)) return false;
        if (!channels(f, slot[1], "direction", OB_DTYPE_int8, n, &b)) return false;
        if (gives == OB_OUTPUT_BITS)
            e->threshold = a;
        else
            e->float_threshold = a;
        e->direction = b;
    }
    if (gives == OB_GIVES_BOTH && !ob_make(f, dims, sizes, ob_words_for(n), OB_DTYPE_int64, &out[1], &e->bits))
        return false;
    return gives == OB_OUTPUT_BITS    ? ob_make(f, dims, sizes, ob_words_for(n), OB_DTYPE_int64, out, data)
           : gives == OB_OUTPUT_INT32 ? ob_make(f, dims, sizes, n, OB_DTYPE_int32, out, data)
                                      : ob_make(f, dims, sizes, n, OB_DTYPE_float32, out, data);
}

int64_t ob_words_for(int64_t k) {
    return k / 64 + (k % 64 != 0);
}

ob_dtype ob_input_dtype(ob_input input) {
    return input == OB_INPUT_U8 ? OB_DTYPE_uint8 : input == OB_INPUT_S8 ? OB_DTYPE_int8 : OB_DTYPE_int64;
}
