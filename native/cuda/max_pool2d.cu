/* max_pool2d.cu: pooling of bits, a word of 64 channels at a time. Bit 1 is -1, so the maximum is AND and the minimum
 * OR; tail bits are 0 and stay so. Bound by memory. */
#include "device.cuh"

struct PoolArgs {
    u64 *out;
    const u64 *x, *minimum; /* minimum: (words,), bit 1 where the minimum is taken */
    u64 count;              /* words of the result */
    u32 height, width, out_height, out_width, words;
    u32 kernel_y, kernel_x;
    int stride_y, stride_x, top, left;
};

extern "C" __global__ void __launch_bounds__(256) onebit_max_pool2d(const PoolArgs args) {
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < args.count; i += (u64)gridDim.x * blockDim.x) {
        u32 word = (u32)(i % args.words);
        u64 place = i / args.words, line = place / args.out_width, image = line / args.out_height;
        int y0 = (int)(line % args.out_height) * args.stride_y - args.top;
        int x0 = (int)(place % args.out_width) * args.stride_x - args.left;
        u64 all = ~0ull, any = 0, least = args.minimum[word];
        for (u32 dy = 0; dy < args.kernel_y; ++dy)
            for (u32 dx = 0; dx < args.kernel_x; ++dx) {
                u32 y = (u32)(y0 + (int)dy), x = (u32)(x0 + (int)dx);
                if (y >= args.height || x >= args.width) continue;
                u64 bits = args.x[((image * args.height + y) * args.width + x) * args.words + word];
                all &= bits, any |= bits;
            }
        args.out[i] = (all & ~least) | (any & least);
    }
}
