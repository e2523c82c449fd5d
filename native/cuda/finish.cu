/* finish.cu: from exact sums in memory to floats with their activation, residual and signs, or to bits: the epilogues
 * that no product kernel holds, and all of a product whose k was cut into parts, which are added up here. Every step is rounded to float32 and none is fused. One warp per word of 64 channels.
 * Macros: OB_OUTPUT (1 sums, 2 floats, 3 bits of the sums, 4 floats and the bits of their signs), OB_ACTIVATION (0 none, 1
 * PReLU, 2 clamp). */
#include "device.cuh"

struct FinishArgs {
    float *floats; /* or sums */
    u64 *words;
    const int *sums;                            /* (parts, m, n) */
    const float *scale, *bias, *first, *second; /* slope, or low and high */
    const float *residual;
    const void *threshold; /* int for bits of the sums, float for signs */
    const i8 *direction;
    u64 m;
    u32 n, residual_last, parts;
};

#if OB_OUTPUT == 2 || OB_OUTPUT == 4
OB_DEVICE float activated(const FinishArgs &args, float f, u32 column) {
#if OB_ACTIVATION == 1
    return f > 0.0f ? f : __fmul_rn(args.first[column], f);
#elif OB_ACTIVATION == 2
    float low = args.first[column], high = args.second[column];
    f = f < low ? low : f;
    return f > high ? high : f;
#else
    return f;
#endif
}
#endif

/* Whether the bit is 1, which is -1. */
OB_DEVICE bool finish_one(const FinishArgs &args, u64 at, u32 column) {
    int y = args.sums[at];
    for (u32 part = 1; part < args.parts; ++part) y += args.sums[part * (args.m * args.n) + at];
#if OB_OUTPUT == 1
    ((int *)args.floats)[at] = y;
    return false;
#elif OB_OUTPUT == 3
    int t = ((const int *)args.threshold)[column];
    return args.direction[column] > 0 ? y < t : y > t;
#else
    float f = __fadd_rn(__fmul_rn(__int2float_rn(y), args.scale[column]), args.bias[column]);
    if (args.residual && !args.residual_last) f = __fadd_rn(f, args.residual[at]);
    f = activated(args, f, column);
    if (args.residual && args.residual_last) f = __fadd_rn(f, args.residual[at]);
    args.floats[at] = f;
#if OB_OUTPUT == 4
    float t = ((const float *)args.threshold)[column];
    return args.direction[column] > 0 ? f < t : f > t;
#else
    return false;
#endif
#endif
}

extern "C" __global__ void __launch_bounds__(256) onebit_finish(const FinishArgs args) {
    u32 row_words = (args.n + 63) / 64, lane = threadIdx.x % 32;
    u64 count = args.m * row_words, warps = (u64)gridDim.x * blockDim.x / 32;
    for (u64 word = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32; word < count; word += warps) {
        u64 row = word / row_words;
        u32 column = (u32)(word % row_words) * 64 + lane;
        bool low = column < args.n && finish_one(args, row * args.n + column, column);
        bool high = column + 32 < args.n && finish_one(args, row * args.n + column + 32, column + 32);
#if OB_OUTPUT >= 3
        u64 first = __ballot_sync(0xFFFFFFFFu, low), second = __ballot_sync(0xFFFFFFFFu, high);
        if (lane == 0) args.words[word] = second << 32 | first;
#endif
    }
}
