/* torch_api.h: torch's C shim as this library uses it: functions found by name, tensors checked and made readable, and
 * the frame of one call, which notes every handle and the error. Private to the torch front door. */
#ifndef ONEBIT_TORCH_API_H
#define ONEBIT_TORCH_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onebit.h"

enum { OB_MOST_DIMS = 64 };
typedef struct ob_torch_object *ob_handle;
typedef struct ob_torch_list *ob_list;
/* `stack` holds the arguments as 64-bit slots: a tensor or a list as a handle that the kernel owns and must delete, an
 * int by value. The handle of the result, which torch then owns, is written to slot 0. */
typedef void ob_boxed(uint64_t *stack, uint64_t inputs, uint64_t outputs);

/* Result, name and parameters of every function taken from torch. */
#define OB_SHIM(FUNCTION)                                                                                              \
    FUNCTION(int32_t, aoti_torch_library_init_impl, (const char *, const char *, const char *, uint32_t, ob_handle *)) \
    FUNCTION(int32_t, aoti_torch_library_impl, (ob_handle, const char *, ob_boxed *))                                  \
    FUNCTION(int32_t, aoti_torch_delete_library_object, (ob_handle))                                                   \
    FUNCTION(void, aoti_torch_check, (bool, const char *, const char *, uint32_t, const char *))                       \
    FUNCTION(int32_t, aoti_torch_delete_tensor_object, (ob_handle))                                                    \
    FUNCTION(int32_t, aoti_torch_get_dtype, (ob_handle, int32_t *))                                                    \
    FUNCTION(int32_t, aoti_torch_get_device_type, (ob_handle, int32_t *))                                              \
    FUNCTION(int32_t, aoti_torch_get_dim, (ob_handle, int64_t *))                                                      \
    FUNCTION(int32_t, aoti_torch_get_sizes, (ob_handle, int64_t **))                                                   \
    FUNCTION(int32_t, aoti_torch_get_strides, (ob_handle, int64_t **))                                                 \
    FUNCTION(int32_t, aoti_torch_get_numel, (ob_handle, int64_t *))                                                    \
    FUNCTION(int32_t, aoti_torch_is_contiguous, (ob_handle, bool *))                                                   \
    FUNCTION(int32_t, torch_get_const_data_ptr, (ob_handle, const void **))                                            \
    FUNCTION(int32_t, torch_get_mutable_data_ptr, (ob_handle, void **))                                                \
    FUNCTION(int32_t, aoti_torch_copy_, (ob_handle, ob_handle, int32_t))                                               \
    FUNCTION(int32_t, aoti_torch_empty_strided,                                                                        \
             (int64_t, const int64_t *, const int64_t *, int32_t, int32_t, int32_t, ob_handle *))                      \
    FUNCTION(int32_t, aoti_torch_device_type_cpu, (void))                                                              \
    FUNCTION(int32_t, torch_get_num_threads, (uint32_t *))                                                             \
    FUNCTION(int32_t, torch_list_size, (ob_list, size_t *))                                                            \
    FUNCTION(int32_t, torch_list_get_item, (ob_list, size_t, uint64_t *))                                              \
    FUNCTION(int32_t, torch_new_list_reserve_size, (size_t, ob_list *))                                                \
    FUNCTION(int32_t, torch_list_push_back, (ob_list, uint64_t))                                                       \
    FUNCTION(int32_t, torch_delete_list, (ob_list))

#define OB_DECLARE(result, name, parameters) result(*name) parameters;
extern struct ob_torch_functions {
    OB_SHIM(OB_DECLARE)
} ob_torch;
/* Looks all of them up in the torch that this process has loaded; false if there is none or one is missing. */
bool ob_torch_find(void);

/* The dtypes of our operands first; the others only so that a message can name what arrived. */
#define OB_DTYPES(DTYPE) \
    DTYPE(float32)       \
    DTYPE(int64)         \
    DTYPE(uint8)         \
    DTYPE(int32)         \
    DTYPE(int8)          \
    DTYPE(float64) DTYPE(float16) DTYPE(bfloat16) DTYPE(int16) DTYPE(bool)
#define OB_DTYPE_ENUM(name) OB_DTYPE_##name,
typedef enum ob_dtype { OB_DTYPES(OB_DTYPE_ENUM) OB_DTYPE_COUNT } ob_dtype;

/* One call of an operator: every handle that must be deleted on the way out, and the error if there is one. */
enum {
    OB_FRAME_HANDLES = 32,
    OB_MOST_ITEMS = 3
}; /* 6 tensors, 2 lists of up to 3, a copy of each, 2 results, scratch */
typedef struct ob_frame {
    const char *op;
    ob_handle held[OB_FRAME_HANDLES];
    int count;
    char error[400];
} ob_frame;
/* Notes the error and returns false, so that a check can `return ob_fail(...)`. */
__attribute__((format(printf, 2, 3))) bool ob_fail(ob_frame *f, const char *format, ...);
/* True if the status is 0; else notes what failed. */
bool ob_torch_did(ob_frame *f, int32_t status, const char *what);
bool ob_library_did(ob_frame *f, ob_status status);

/* A tensor as the kernels read it. `sizes` belongs to the handle and lives as long; last is the last of them. */
typedef struct ob_view {
    const void *data;
    int64_t dims, *sizes, numel, last;
} ob_view;
/* Checks dtype and device and makes the argument readable: dense and aligned for its type, by a copy if need be. */
bool ob_look(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, ob_view *v);
/* Where a dense tensor on the CPU is, of whatever dtype, and how many bytes it has. */
bool ob_look_where_it_is(ob_frame *f, uint64_t slot, const char *name, int64_t *bytes, const void **data);
/* The dtype of a tensor, OB_DTYPE_COUNT for one that is not in the list; its name. */
bool ob_dtype_of(ob_frame *f, uint64_t slot, const char *name, ob_dtype *dtype);
const char *ob_dtype_text(ob_dtype dtype);
/* As ob_look, at any address, for values (N, C, ...) if nchw, else (..., C), whose channels may stand first or last in
 * memory, whatever the order of the dimensions: *first says which. Other strides are copied to the order of the
 * dimensions. */
bool ob_look_channels(ob_frame *f, uint64_t slot, const char *name, ob_dtype dtype, bool nchw, bool *first, ob_view *v);
/* An uninitialised dense tensor, shaped like `sizes` but for the last one, and where to write it. */
bool ob_make(ob_frame *f, int64_t dims, const int64_t *sizes, int64_t last, ob_dtype dtype, ob_handle *out,
             void **data);
/* The values of an int[] argument; every one must be within int32 and there must be `count` of them. */
bool ob_ints(ob_frame *f, uint64_t slot, const char *name, size_t count, int32_t *values);
/* An int argument that must be within int32. */
bool ob_int(ob_frame *f, uint64_t slot, const char *name, int32_t *value);
/* The library's pool takes the size of torch's at every call, so that the two never add up to more threads. */
bool ob_follow_torch_threads(ob_frame *f);
/* Scratch of `bytes`, 64-byte aligned; NULL for 0. It is torch's memory: counted, and reused, by torch's allocator. */
bool ob_scratch(ob_frame *f, size_t bytes, void **memory);
/* What an operator gives: OB_OUTPUT_INT32, _FLOAT or _BITS after its arrays alone; fused (float) and both (float and
 * bits) after steps as well. */
enum { OB_GIVES_BOTH = OB_OUTPUT_FLOAT_BITS, OB_GIVES_FUSED };
/* The epilogue whose arguments begin at slot `first` of the stack, and its results: out[0] and its address, and for
 * both out[1]. They are shaped like `sizes` but for the last one of `dims`, which is n, or words for n. */
bool ob_epilogue_of(ob_frame *f, const uint64_t *first, int32_t gives, int64_t dims, const int64_t *sizes, int64_t n,
                    ob_epilogue *e, ob_handle *out, void **data);
int64_t ob_words_for(int64_t k); /* ceil(k / 64) */
/* "(3, 64)", for messages. */
const char *ob_shape_text(const ob_view *v, char *text, size_t bytes);
#define OB_SHAPE(v) ob_shape_text(v, (char[128]){0}, 128)

/* What a product multiplies by its weights. */
typedef enum ob_input { OB_INPUT_WORDS, OB_INPUT_U8, OB_INPUT_S8 } ob_input;
ob_dtype ob_input_dtype(ob_input input);
/* Every operator: its name and, for each argument, t for a tensor, i for an int or bool, l for an int[],
 * v for a Tensor[]. */
#define OB_OPERATORS(OPERATOR)                      \
    OPERATOR(pack, "t")                             \
    OPERATOR(pack_nchw, "t")                        \
    OPERATOR(pack_threshold, "ttt")                 \
    OPERATOR(pack_nchw_threshold, "ttt")            \
    OPERATOR(unpack, "ti")                          \
    OPERATOR(pack_weights, "ti")                    \
    OPERATOR(unpack_weights, "tii")                 \
    OPERATOR(dense_int32, "ttii")                   \
    OPERATOR(dense_float, "ttiitt")                 \
    OPERATOR(dense_bits, "ttiitt")                  \
    OPERATOR(dense_fused, "ttiittvvi")              \
    OPERATOR(dense_both, "ttiittvvitt")             \
    OPERATOR(dense_u8_int32, "ttii")                \
    OPERATOR(dense_s8_int32, "ttii")                \
    OPERATOR(dense_u8_float, "ttiitt")              \
    OPERATOR(dense_s8_float, "ttiitt")              \
    OPERATOR(dense_u8_bits, "ttiitt")               \
    OPERATOR(dense_s8_bits, "ttiitt")               \
    OPERATOR(dense_u8_fused, "ttiittvvi")           \
    OPERATOR(dense_s8_fused, "ttiittvvi")           \
    OPERATOR(dense_u8_both, "ttiittvvitt")          \
    OPERATOR(dense_s8_both, "ttiittvvitt")          \
    OPERATOR(pack_conv_weights, "tiil")             \
    OPERATOR(unpack_conv_weights, "tiiil")          \
    OPERATOR(conv2d_int32, "ttiillllii")            \
    OPERATOR(conv2d_float, "ttiilllliitt")          \
    OPERATOR(conv2d_bits, "ttiilllliitt")           \
    OPERATOR(conv2d_fused, "ttiilllliittvvi")       \
    OPERATOR(conv2d_both, "ttiilllliittvvitt")      \
    OPERATOR(conv2d_u8_int32, "ttiilllliiii")       \
    OPERATOR(conv2d_s8_int32, "ttiilllliiii")       \
    OPERATOR(conv2d_u8_float, "ttiilllliiiitt")     \
    OPERATOR(conv2d_s8_float, "ttiilllliiiitt")     \
    OPERATOR(conv2d_u8_bits, "ttiilllliiiitt")      \
    OPERATOR(conv2d_s8_bits, "ttiilllliiiitt")      \
    OPERATOR(conv2d_u8_fused, "ttiilllliiiittvvi")  \
    OPERATOR(conv2d_s8_fused, "ttiilllliiiittvvi")  \
    OPERATOR(conv2d_u8_both, "ttiilllliiiittvvitt") \
    OPERATOR(conv2d_s8_both, "ttiilllliiiittvvitt") \
    OPERATOR(max_pool2d, "tilllt")
/* The kernels: they read the stack, make the results (out has room for two) and note what went wrong. */
#define OB_KERNEL(name, signature) bool ob_op_##name(ob_frame *f, const uint64_t *stack, ob_handle *out);
OB_OPERATORS(OB_KERNEL)
/* One with lists of any length, onebit::network, is boxed by hand. */
ob_boxed ob_boxed_network;

#endif
