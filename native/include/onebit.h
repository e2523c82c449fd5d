/* onebit.h: the C ABI of libonebit, 1-bit arithmetic for Binarized Neural Networks.
 *
 * The convention (see docs/convention.md): bit 1 means -1, bit 0 means +1; bits are packed along the last dimension,
 * least significant bit first, in 64-bit words; tail bits are 0 in every operand, so they cancel in an exclusive or,
 * and K is the true count:   dot(a, w) = K - 2 * popcount(a ^ w),  exact in int32.
 *
 * The library never prints, never aborts and never allocates in a kernel: every function returns an ob_status, memory
 * is the caller's. All functions may be called from several threads at once. */
#ifndef ONEBIT_H
#define ONEBIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define OB_API __declspec(dllexport)
#else
#define OB_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status ------------------------------------------------------------------------------------------------- */
typedef int32_t ob_status; /* OB_OK or one of the codes below; status.c has one sentence for each */
enum {
    OB_OK = 0,
    OB_ERROR_NULL = 1,        /* a pointer that must point somewhere is NULL */
    OB_ERROR_SIZE = 2,        /* a size is negative, zero where it must not be, or would overflow */
    OB_ERROR_OUTPUT = 3,      /* the epilogue names no known output kind or activation, or lacks an array it needs */
    OB_ERROR_DIRECTION = 4,   /* a direction is neither +1 nor -1 */
    OB_ERROR_WEIGHTS = 5,     /* the weights were not made by ob_weights_pack, or for other sizes */
    OB_ERROR_WORKSPACE = 6,   /* the workspace is smaller than the operator's *_workspace function says */
    OB_ERROR_ISA_UNKNOWN = 7, /* no kernel is called by that instruction set's name */
    OB_ERROR_ISA_ABSENT = 8,  /* this CPU, or its operating system, lacks the forced instruction set */
    OB_ERROR_OP_UNKNOWN = 9,  /* no operator is called so */
    OB_ERROR_THREADS = 10,    /* the number of threads is below 1 or above 1024 */
    OB_ERROR_TORCH = 11,      /* torch is not loaded, or lacks a function of its C shim, or refused a registration */
    OB_ERROR_WINDOW = 12,     /* a kernel, stride or dilation is below 1, a padding is negative, or no window fits */
    OB_ERROR_GROUPS = 13,     /* groups is below 1, or does not divide both channel counts */
    OB_ERROR_PAD_VALUE = 14,  /* the pad value is neither -1, 0 nor +1 */
    OB_ERROR_TYPE = 15,       /* no such element type or layout, or pixels (0 to 255) without a threshold */
    OB_ERROR_STEP = 16,       /* a step of a network names no known operator, or has an address where none belongs */
    OB_ERROR_VALUE = 17,      /* a step or an end of a network names a value that is not there, or gives one twice */
    OB_ERROR_CONSTANT = 18,   /* a step of a network lacks a constant, or names one not there or of another size */
    OB_ERROR_FIT = 19, /* a value of a network has another type or size than the step needs that reads or gives it */
    OB_ERROR_NETWORK = 20, /* no network has that number */
    OB_ERROR_MEMORY = 21,  /* the system gave no memory for a network's plan */
    OB_STATUS_COUNT
};
OB_API const char *ob_status_text(ob_status status);

/* ---- what this CPU has, and which kernels run ----------------------------------------------------------------- */
OB_API const char *ob_version(void);
/* Features found on this CPU and enabled by its operating system, as names separated by spaces ("avx2 avx512f ..."). */
OB_API const char *ob_cpu_features(void);
/* One sentence on a feature that this CPU has and this process may not use (AMX, where Linux refuses it), or "". */
OB_API const char *ob_cpu_unusable(void);
/* The kernels of the dispatch table: `row` counts from 0; returns OB_ERROR_SIZE past the last row.
 * available: 1 if this CPU can run it. Rows of one operator come best first. */
typedef struct ob_kernel_row {
    const char *op, *isa;
    int32_t available;
} ob_kernel_row;
OB_API ob_status ob_kernel(int32_t row, ob_kernel_row *out);
/* Forces an instruction set for all operators of this process; NULL or "" returns to the best one. ONEBIT_ISA in the
 * environment does the same at the first call; a wrong name there makes every operator return the error. Where the set
 * has no kernel for an operator or shape ("amx" only multiplies, and whole words), the best of the others runs. */
OB_API ob_status ob_force(const char *isa);
/* The instruction set of the kernel that `op` would run now ("avx2"); where the shape decides, for a large one. */
OB_API ob_status ob_active(const char *op, const char **isa);
/* The instruction set of the kernel that `op` last ran on any thread; "" before its first run. A test's proof. */
OB_API ob_status ob_ran(const char *op, const char **isa);

/* What the choice of a kernel depends on. dense: {m, n, k, ceil(k / 64), 1}; for a convolution see ob_conv2d_shape. */
typedef struct ob_shape {
    int64_t m, n, k; /* rows of the output, channels of the output, terms of each sum */
    int64_t words;   /* 64-bit words of x that a sum reads */
    int32_t whole;   /* 1: 16 neighbouring channels read the same words, all their bits; 0: some grouped convolutions */
} ob_shape;
/* isa: of a kernel of the operator that this CPU can run. ns: what a call of this shape takes it, by a model (dense and
 * conv2d; else -1); infinite if it has no way for the shape. chosen: 1 for the one that would run now. */
typedef struct ob_estimate {
    const char *isa;
    double ns;
    int32_t chosen;
} ob_estimate;
/* `row` counts the kernels of `op` from 0, as ob_kernel does; returns OB_ERROR_SIZE past the last one. */
OB_API ob_status ob_estimate_kernel(const char *op, const ob_shape *shape, int32_t threads, int32_t row,
                                    ob_estimate *out);

/* ---- threads -------------------------------------------------------------------------------------------------- */
/* Who runs the parts of a call. run() must call task(data, i) for every i in [0, count) and return when all are done.
 * NULL in place of an executor means the library's own pool. ONNX Runtime's pool is passed in through this. */
typedef struct ob_executor {
    void *context;
    int32_t threads; /* how many tasks can run at once; the kernel splits its work by this */
    void (*run)(void *context, int64_t count, void (*task)(void *data, int64_t index), void *data);
} ob_executor;
/* Size of the library's own pool, calling thread included; safe after fork (the child starts its own). */
OB_API ob_status ob_set_threads(int32_t threads);
OB_API int32_t ob_get_threads(void);

/* ---- pack and unpack ------------------------------------------------------------------------------------------ */
enum { OB_TYPE_F32 = 1, OB_TYPE_F16 = 2, OB_TYPE_BF16 = 3, OB_TYPE_U8 = 4, OB_TYPE_S8 = 5 };
enum { OB_CHANNELS_LAST = 1, OB_CHANNELS_FIRST = 2 };
/* Signs of values, compared with a threshold of their channel; a matrix of rows is `batch` pictures of one place.
 *   without thresholds   -1 iff x < 0            so 0, -0.0 and NaN become +1; U8, never below 0, is OB_ERROR_TYPE
 *   with thresholds      -1 iff direction[j] > 0 ? x < threshold[j] : x > threshold[j]
 *                        +1 where x is the threshold, and where one of the two is NaN
 *   drawn                -1 iff x < 1 - 2 u, so +1 with probability min(max((x + 1) / 2, 0), 1); of F32 only.
 *                        u is uniform in [0, 1), 24 bits of a hash of the seed and of the value's number
 *                        (b * c + j) * places + place modulo 2^32, whatever the layout
 * Every type is compared by its value, which float32 holds exactly. x and out may stand at any address. */
typedef struct ob_pack_call {
    int64_t batch, places, c; /* places: of one picture, height * width */
    int32_t type, layout;
    const void *x;           /* OB_CHANNELS_LAST: (batch, places, c); OB_CHANNELS_FIRST: (batch, c, places) */
    const float *threshold;  /* (c), or NULL as `direction` then is */
    const int8_t *direction; /* (c) of -1 and +1 */
    int32_t drawn;           /* 0 or 1 */
    uint32_t seed;           /* of `drawn` */
    void *out;               /* (batch, places, ceil(c / 64)) words, tail bits 0 */
    const ob_executor *executor;
} ob_pack_call;
OB_API ob_status ob_pack(const ob_pack_call *call);
/* words (rows, ceil(k / 64)) -> x (rows, k) float32 of -1 and +1. */
OB_API ob_status ob_unpack_f32(const uint64_t *words, int64_t rows, int64_t k, float *x, const ob_executor *executor);

/* ---- weights, packed once per layer --------------------------------------------------------------------------- */
/* The pre-packed weight handle is a flat block of memory owned by the caller: a 64-byte header that names its layout
 * and sizes, then the bits in the order the kernels stream them. It can be copied, shared and saved. */
OB_API size_t ob_weights_bytes(int64_t n, int64_t k); /* 0 if a size is out of range */
OB_API ob_status ob_weights_pack(const uint64_t *rows, int64_t n, int64_t k, void *weights, size_t bytes);
OB_API ob_status ob_weights_unpack(const void *weights, size_t bytes, int64_t n, int64_t k, uint64_t *rows);

/* ---- dense ---------------------------------------------------------------------------------------------------- */
enum { OB_OUTPUT_INT32 = 1, OB_OUTPUT_FLOAT = 2, OB_OUTPUT_BITS = 3, OB_OUTPUT_FLOAT_BITS = 4 };
enum { OB_ACTIVATION_NONE = 0, OB_ACTIVATION_CLAMP = 1, OB_ACTIVATION_PRELU = 2 };
/* What happens to the exact int32 sum y of output channel j, in row i, before it is stored:
 *   INT32       y                                     out (m, n) int32
 *   BITS        +1 iff direction[j] > 0 ? y >= threshold[j] : y <= threshold[j]
 *                                                     out (m, ceil(n / 64)) uint64, tail bits 0
 *   FLOAT       f, the result of these steps          out (m, n) float
 *   FLOAT_BITS  f, and its sign: -1 iff direction[j] > 0 ? f < float_threshold[j] : f > float_threshold[j]
 *                                                     out (m, n) float, bits (m, ceil(n / 64)) uint64, tail bits 0
 * The steps, in this order; each sum and product is rounded once to float, never fused:
 *   f = (float)y * scale[j] + bias[j]
 *   f = f + residual[i][j]                            if residual is given and residual_last is 0
 *   CLAMP       f = f < low[j] ? low[j] : f, then f = f > high[j] ? high[j] : f        (ReLU: 0 and infinity)
 *   PRELU       f = f > 0 ? f : slope[j] * f
 *   f = f + residual[i][j]                            if residual is given and residual_last is not 0
 * A NaN (of the residual) stays a NaN, and its sign is +1, as in ob_pack; -0.0 counts as 0. */
typedef struct ob_epilogue {
    int32_t output;
    const float *scale, *bias;
    const int32_t *threshold;
    const int8_t *direction;
    int32_t activation;
    const float *low, *high, *slope;
    const float *residual; /* (m, n); NULL: none. It must not overlap out. */
    int32_t residual_last;
    const float *float_threshold;
    void *bits; /* as out, at any address */
} ob_epilogue;

/* x, weights and out may stand at any address; nothing is read or written outside of them. m = 0 is an empty batch. */
typedef struct ob_dense_call {
    int64_t m, n, k;
    const void *x;       /* ob_dense: (m, ceil(k / 64)) uint64 words; ob_dense_u8, _s8: (m, k) bytes, dense rows */
    const void *weights; /* from ob_weights_pack, for this n and k */
    size_t weights_bytes;
    const ob_epilogue *epilogue;
    void *out;
    void *workspace; /* 64-byte aligned, at least ob_dense_workspace() bytes; may be NULL if that is 0 */
    size_t workspace_bytes;
    const ob_executor *executor; /* NULL: the library's pool */
} ob_dense_call;
/* y[i][j] = sum over k of x[i][k] * w[j][k], x in {-1, +1}. */
OB_API size_t ob_dense_workspace(int64_t m, int64_t n, int64_t k, int32_t threads);
OB_API ob_status ob_dense(const ob_dense_call *call);
/* The same for x in {0, ..., 255}: the first layer. 255 * k must fit int32, else OB_ERROR_SIZE. */
OB_API size_t ob_dense_u8_workspace(int64_t m, int64_t n, int64_t k, int32_t threads);
OB_API ob_status ob_dense_u8(const ob_dense_call *call);
/* The same for x in {-128, ..., 127}, on the kernels of ob_dense_u8. It needs a workspace: 0 is out of range. */
OB_API size_t ob_dense_s8_workspace(int64_t m, int64_t n, int64_t k, int32_t threads);
OB_API ob_status ob_dense_s8(const ob_dense_call *call);

/* ---- convolution ---------------------------------------------------------------------------------------------- */
/* Pictures are (batch, height, width, channels), channels packed as everywhere: word w holds channels 64 * w onwards.
 * Pairs are {vertical, horizontal}; padding is {top, bottom, left, right}. The output has
 *   out_height = (height + top + bottom - dilation * (kernel - 1) - 1) / stride + 1     rounded down, at least 1
 * and, with taps (i, j) and the channels l of the group of output channel o (a cross-correlation, as in torch):
 *   y[b][oy][ox][o] = sum over i, j, l of x[b][oy * stride + i * dilation - top][...][l] * w[o][i][j][l]
 * A place outside the picture counts as pad_value, 0 included, exactly, for every output kind. */

/* Weights: rows (n, kernel[0], kernel[1], ceil(c / groups / 64)) words, packed over the input channels of the group.
 * The handle is as ob_weights_pack's, with a layout of its own. 0 bytes: a size or the groups are out of range. */
OB_API size_t ob_conv_weights_bytes(int64_t n, int64_t c, int32_t groups, const int32_t kernel[2]);
OB_API ob_status ob_conv_weights_pack(const uint64_t *rows, int64_t n, int64_t c, int32_t groups,
                                      const int32_t kernel[2], void *weights, size_t bytes);
OB_API ob_status ob_conv_weights_unpack(const void *weights, size_t bytes, int64_t n, int64_t c, int32_t groups,
                                        const int32_t kernel[2], uint64_t *rows);

/* x, weights and out may stand at any address; nothing is read or written outside of them. batch = 0 is allowed. */
typedef struct ob_conv2d_call {
    int64_t batch, height, width, c, n; /* c: input channels, n: output channels */
    int32_t kernel[2], stride[2], padding[4], dilation[2], groups, pad_value;
    int32_t multiplier, offset; /* ob_conv2d_u8 and ob_conv2d_s8 only */
    const void *x;       /* ob_conv2d: (batch, height, width, ceil(c / 64)) words; ob_conv2d_u8: (..., c) uint8 */
    const void *weights; /* from ob_conv_weights_pack, for this n, c, groups and kernel */
    size_t weights_bytes;
    const ob_epilogue *epilogue;
    void *out; /* (batch, out_height, out_width, n), or ceil(n / 64) words in place of n */
    void *workspace;
    size_t workspace_bytes; /* at least what ob_conv2d_workspace says */
    const ob_executor *executor;
} ob_conv2d_call;
/* {out_height, out_width} of a call, from its sizes, kernel, stride, padding and dilation alone. */
OB_API ob_status ob_conv2d_output(const ob_conv2d_call *call, int64_t out[2]);
/* The shape that decides which kernel runs: m = batch * out_height * out_width. */
OB_API ob_status ob_conv2d_shape(const ob_conv2d_call *call, ob_shape *shape);
/* Bytes of workspace, from the sizes and the geometry alone; never 0, except for a call that is refused. */
OB_API size_t ob_conv2d_workspace(const ob_conv2d_call *call, int32_t threads);
OB_API ob_status ob_conv2d(const ob_conv2d_call *call);
/* The same for bytes p, whose value is multiplier * p + offset (2 and -255: the odd numbers from -255 to 255); a place
 * outside of the picture still has the value pad_value. The largest possible |y| must fit int32, else OB_ERROR_SIZE. */
OB_API size_t ob_conv2d_u8_workspace(const ob_conv2d_call *call, int32_t threads);
OB_API ob_status ob_conv2d_u8(const ob_conv2d_call *call);
/* The same for bytes p in {-128, ..., 127}, on the kernels of ob_conv2d_u8. */
OB_API size_t ob_conv2d_s8_workspace(const ob_conv2d_call *call, int32_t threads);
OB_API ob_status ob_conv2d_s8(const ob_conv2d_call *call);

/* ---- pooling -------------------------------------------------------------------------------------------------- */
/* The maximum of each channel over each window: the AND of its bits. Places outside the picture are left out; a
 * padding must be below the kernel, so that no window is empty. Sizes and output as for ob_conv2d, dilation 1. */
typedef struct ob_max_pool2d_call {
    int64_t batch, height, width, c;
    int32_t kernel[2], stride[2], padding[4];
    const void *x;           /* (batch, height, width, ceil(c / 64)) words */
    const uint64_t *minimum; /* ceil(c / 64) words: a channel whose bit is 1 takes the minimum; NULL: none does */
    void *out;               /* (batch, out_height, out_width, ceil(c / 64)) words */
    const ob_executor *executor;
} ob_max_pool2d_call;
OB_API ob_status ob_max_pool2d_output(const ob_max_pool2d_call *call, int64_t out[2]);
OB_API ob_status ob_max_pool2d(const ob_max_pool2d_call *call);

/* The largest of each 2 x 2 floats, none NaN, and the first place that has it, 2 * row + column; no side below 2. */
typedef struct ob_pool_floats_call {
    int64_t batch, height, width, c;
    const float *x;       /* (batch, height, width, c) */
    float *out;           /* (batch, height / 2, width / 2, c) */
    unsigned char *which; /* shaped like out */
    const ob_executor *executor;
} ob_pool_floats_call;
OB_API ob_status ob_pool_floats(const ob_pool_floats_call *call);

/* ---- gradients -------------------------------------------------------------------------------------------------- */
/* Both gradients of y = conv2d(pad(sign(x)), sign(w)) from the upstream gradient g of y, by sums of whole numbers. A
 * value of g stands for step * q, q from -127 to 127, with one step for all terms of a sum:
 *   for x   step = max |g| of the picture / 127          for w   step = max |g| of the channel / 127
 *   q = rint(g * (127 / max)), ties to even              if stochastic is 0
 *   q = min(floor(g * (127 / max) + u), 127)             else; u in [0, 1) is a hash of seed and the value's number
 *   x_gradient = step * sum of q * sign(w)               w_gradient = step * sum of q * sign(x)
 * The sums are exact; each is rounded once to float, then multiplied. A gradient is 0 where |value| <= 1 does not hold,
 * if values are given. q is 0 where max is below 1e-30; where it is infinite or NaN so is what it reaches, or NaN.
 * Sizes as for ob_conv2d, groups 1; kernel * n and batch * out_height * out_width are at most 2^23, else
 * OB_ERROR_SIZE. A linear layer is a picture of one place for each row. Every pointer is aligned for its type. */
typedef struct ob_sign_gradients_call {
    int64_t batch, height, width, c, n;
    int32_t kernel[2], stride[2], padding[4], dilation[2], pad_value;
    int32_t stochastic;
    uint32_t seed;
    const float *upstream;            /* (batch, out_height, out_width, n); half as high and wide if `which` is given */
    const unsigned char *which;       /* NULL, or a place like ob_pool_floats': the rest of each window is 0 */
    const void *x;                    /* (batch, height, width, ceil(c / 64)) words */
    const void *w;                    /* (n, kernel[0], kernel[1], ceil(c / 64)) words */
    const float *x_window, *w_window; /* the values, shaped like the gradients; NULL: every gradient passes */
    float *x_gradient;                /* (batch, height, width, c); NULL: not wanted */
    float *w_gradient;                /* (n, kernel[0], kernel[1], c); NULL: not wanted */
    void *workspace;
    size_t workspace_bytes; /* at least what ob_sign_gradients_workspace says */
    const ob_executor *executor;
} ob_sign_gradients_call;
/* Bytes of workspace, from everything but the pointers to values; 0 for a call that is refused. */
OB_API size_t ob_sign_gradients_workspace(const ob_sign_gradients_call *call);
OB_API ob_status ob_sign_gradients(const ob_sign_gradients_call *call);

/* ---- networks: onebit_network.h -------------------------------------------------------------------------------- */
/* ---- front doors ---------------------------------------------------------------------------------------------- */
/* Registers the CPU kernels of the torch operators onebit::* through the C shim of the torch that is loaded in this
 * process; the schemas must be defined already. OB_ERROR_TORCH leaves nothing registered: use the ctypes fallback. */
OB_API ob_status ob_register_torch(void);
/* ONNX Runtime's entry point, RegisterCustomOps, is declared in frontends/ort_ops.c. */

#ifdef __cplusplus
}
#endif
#endif
