/* pack.cu: between numbers and bits. Bit 1 is -1 and means x < 0: -0.0 and NaN are +1. All are bound by memory.
 * Macro: OB_INPUT (1 float32, 2 bfloat16, 3 float16). */
#include "device.cuh"

#if OB_INPUT == 1
typedef float Number;
OB_DEVICE bool negative(Number x) {
    return x < 0.0f;
}
#else
typedef u16 Number; /* the raw bits of a 16-bit float: sign set, not zero, not beyond infinity */
OB_DEVICE bool negative(Number x) {
    u32 magnitude = x & 0x7FFFu;
    return (x & 0x8000u) && magnitude && magnitude <= (OB_INPUT == 2 ? 0x7F80u : 0x7C00u);
}
#endif

enum { UNROLL = 4 };

/* x (rows, k) -> words (rows, ceil(k / 64)). A warp makes four words at a time, two ballots for each. */
extern "C" __global__ void __launch_bounds__(256) onebit_pack(const Number *x, u64 *words, u64 rows, u32 k) {
    u32 row_words = (k + 63) / 64, lane = threadIdx.x % 32;
    u64 count = rows * row_words, warps = (u64)gridDim.x * blockDim.x / 32;
    for (u64 first = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / 32 * UNROLL; first < count;
         first += warps * UNROLL) {
        bool bits[2 * UNROLL];
#pragma unroll
        for (u32 i = 0; i < 2 * UNROLL; ++i) {
            u64 word = first + i / 2;
            u32 column = (u32)(word % row_words) * 64 + i % 2 * 32 + lane;
            bits[i] = word < count && column < k && negative(x[word / row_words * k + column]);
        }
#pragma unroll
        for (u32 i = 0; i < UNROLL; ++i) {
            u64 low = __ballot_sync(0xFFFFFFFFu, bits[2 * i]), high = __ballot_sync(0xFFFFFFFFu, bits[2 * i + 1]);
            if (lane == i && first + i < count) words[first + i] = high << 32 | low;
        }
    }
}

/* words (rows, ceil(k / 64)) -> x (rows, k) of -1.0 and +1.0. */
extern "C" __global__ void __launch_bounds__(256) onebit_unpack(const u64 *words, float *x, u64 rows, u32 k) {
    u32 row_words = (k + 63) / 64;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < rows * k; i += (u64)gridDim.x * blockDim.x) {
        u32 column = (u32)(i % k);
        x[i] = words[i / k * row_words + column / 64] >> (column % 64) & 1 ? -1.0f : 1.0f;
    }
}

/* words (rows, row_words) -> popcount of each row. One warp per row. */
extern "C" __global__ void __launch_bounds__(256)
    onebit_row_sums(const u64 *words, int *sums, u32 rows, u32 row_words) {
    u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    u32 sum = 0;
    for (u32 i = lane; i < row_words; i += 32) sum += __popcll(words[(u64)row * row_words + i]);
#pragma unroll
    for (u32 offset = 16; offset; offset /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, offset);
    if (lane == 0) sums[row] = (int)sum;
}

/* words (rows, ceil(k / 64)) -> bytes (rows, stride) of -1 and +1, and 0 from k on: the weights of the 8-bit-input
 * layer. */
extern "C" __global__ void __launch_bounds__(256)
    onebit_expand(const u64 *words, i8 *bytes, u64 rows, u32 k, u32 stride) {
    u32 row_words = (k + 63) / 64;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < rows * stride; i += (u64)gridDim.x * blockDim.x) {
        u32 column = (u32)(i % stride);
        bytes[i] = column >= k ? 0 : words[i / stride * row_words + column / 64] >> (column % 64) & 1 ? -1 : 1;
    }
}

/* words (places, ceil(c / 64)) -> (places, groups * ceil(c / groups / 64)): every group's channels from a word on. */
extern "C" __global__ void __launch_bounds__(256)
    onebit_regroup(const u64 *words, u64 *grouped, u64 places, u32 channels, u32 groups) {
    u32 each = channels / groups, group_words = (each + 63) / 64, row_words = (channels + 63) / 64;
    u64 count = places * groups * group_words;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (u64)gridDim.x * blockDim.x) {
        u32 within = (u32)(i % group_words), group = (u32)(i / group_words % groups), left = each - within * 64;
        u64 first = (u64)group * each + within * 64, shift = first % 64;
        const u64 *from = words + i / group_words / groups * row_words;
        u64 word = from[first / 64] >> shift;
        if (shift && first / 64 + 1 < row_words) word |= from[first / 64 + 1] << (64 - shift);
        grouped[i] = left < 64 ? word & ((1ull << left) - 1) : word;
    }
}
