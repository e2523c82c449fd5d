/* words.cu: what else is done with bits: numbers of them, popcounts of rows, signed bytes, groups of channels from a word of
 * their own. Bit 1 is -1. All are bound by memory. */
#include "device.cuh"

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
