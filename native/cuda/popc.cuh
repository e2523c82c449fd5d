/* popc.cuh: the end of a sum whose lanes count along k: 32 sums in each lane become one.
 *
 * Lanes are added by halving: 31 shuffles instead of 160, and lane l ends with sum l in sums[0]. */
#ifndef OB_POPC_CUH
#define OB_POPC_CUH

#include "device.cuh"

OB_DEVICE void add_lanes(u32 (&sums)[32], u32 lane) {
#pragma unroll
    for (u32 offset = 16; offset; offset /= 2)
#pragma unroll
        for (u32 i = 0; i < offset; ++i) {
            bool upper = lane & offset;
            u32 keep = upper ? sums[i + offset] : sums[i];
            sums[i] = keep + __shfl_xor_sync(0xFFFFFFFFu, upper ? sums[i] : sums[i + offset], offset);
        }
}

#endif
