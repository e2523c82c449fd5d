/* pack.cu: numbers to bits, in the dtype and the order they lie in. Bit 1 is -1 and means x < 0: -0.0 and NaN are +1.
 * With thresholds: x < t where a channel's direction is above 0, else x > t. float32 holds every value of the narrower
 * dtypes, so nothing is rounded. Bound by memory.
 * Macros: OB_DTYPE (1 float32, 2 float16, 3 bfloat16, 4 uint8, 5 int8), OB_THRESHOLD (1 if there are thresholds). */
#include "device.cuh"

#if OB_DTYPE == 1
typedef float Number;
#elif OB_DTYPE <= 3
typedef u16 Number; /* the raw bits of a 16-bit float */
#elif OB_DTYPE == 4
typedef u8 Number;
#else
typedef i8 Number;
#endif

OB_DEVICE float real(Number x) {
#if OB_DTYPE == 2
    /* Exponent and fraction where float32 has them, then the difference of the biases: 2^112. It makes subnormal numbers
     * normal; infinity and NaN are put right by hand. */
    u32 magnitude = x & 0x7FFFu, sign = (u32)(x & 0x8000u) << 16;
    u32 scaled = __float_as_uint(__fmul_rn(__uint_as_float(magnitude << 13), __uint_as_float(0x77800000u)));
    return __uint_as_float(sign | (magnitude < 0x7C00u ? scaled : 0x7F800000u | magnitude << 13));
#elif OB_DTYPE == 3
    return __uint_as_float((u32)x << 16);
#else
    return (float)x;
#endif
}

struct PackArgs {
    const Number *x;
    u64 *words;
    const float *threshold; /* of each channel; read with OB_THRESHOLD only, as direction */
    const i8 *direction;
    u64 outer; /* rows, or images */
    u64 inner; /* places of an image, which follow each other in memory: 1 where channels come last */
    u32 channels;
};

/* Whether the bit is 1. */
OB_DEVICE bool minus(const PackArgs &args, Number x, u32 channel) {
#if OB_THRESHOLD
    float t = args.threshold[channel];
    return args.direction[channel] > 0 ? real(x) < t : real(x) > t;
#else
    return real(x) < 0.0f;
#endif
}

/* x (outer, channels) -> words (outer, ceil(channels / 64)). A warp makes WORDS words at a time, two ballots for each:
 * one division finds the first of them, the others follow it, and all loads are under way before the first ballot. */
enum { WORDS = 4 };
extern "C" __global__ void __launch_bounds__(256) onebit_pack(const PackArgs args) {
    u32 row_words = (args.channels + 63) / 64, lane = threadIdx.x % 32;
    u64 count = args.outer * row_words, warps = (u64)gridDim.x * blockDim.x / 32;
    for (u64 first = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32 * WORDS; first < count; first += warps * WORDS) {
        u64 row = first / row_words, mine = 0;
        u32 within = (u32)(first % row_words), channels[2 * WORDS];
        Number values[2 * WORDS];
#pragma unroll
        for (u32 i = 0; i < 2 * WORDS; ++i) {
            u32 channel = within * 64 + i % 2 * 32 + lane;
            bool inside = row < args.outer && channel < args.channels;
            values[i] = inside ? args.x[row * args.channels + channel] : (Number)0;
            channels[i] = inside ? channel : args.channels;
            if (i % 2 && ++within == row_words) within = 0, ++row;
        }
#pragma unroll
        for (u32 i = 0; i < 2 * WORDS; ++i) {
            bool bit = channels[i] < args.channels && minus(args, values[i], channels[i]);
            u64 half = __ballot_sync(0xFFFFFFFFu, bit);
            if (lane == i / 2) mine |= half << (i % 2 * 32);
        }
        if (lane < WORDS && first + lane < count) args.words[first + lane] = mine;
    }
}

/* x (outer, channels, inner) -> words (outer, inner, ceil(channels / 64)). A thread makes a word; neighbours have
 * neighbouring places, so each channel of theirs is one stretch of memory. */
extern "C" __global__ void __launch_bounds__(256) onebit_pack_first(const PackArgs args) {
    u32 row_words = (args.channels + 63) / 64;
    u64 count = args.outer * row_words * args.inner, threads = (u64)gridDim.x * blockDim.x;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += threads) {
        u64 place = i % args.inner, block = i / args.inner, image = block / row_words;
        u32 first = (u32)(block % row_words) * 64, left = args.channels - first < 64 ? args.channels - first : 64;
        const Number *x = args.x + (image * args.channels + first) * args.inner + place;
        u64 word = 0;
#pragma unroll 16
        for (u32 c = 0; c < left; ++c) word |= (u64)minus(args, x[c * args.inner], first + c) << c;
        args.words[(image * args.inner + place) * row_words + first / 64] = word;
    }
}
