/* device.cuh: the few warp-level instructions the kernels share, each behind a function. No CUDA header is needed.
 * The tests replace this file's instructions by CPU functions of the same names (OB_EMULATED) and run the kernels as
 * they are. */
#ifndef OB_DEVICE_CUH
#define OB_DEVICE_CUH

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#include "layout.cuh"

/* What the accumulators of a product sum (epilogue.cuh), and what x holds. */
#define OB_FORM_AND 1
#define OB_FORM_XOR 2
#define OB_FORM_DOT 3
#define OB_OPERAND_BITS 1
#define OB_OPERAND_BYTES 2
#define OB_OPERAND_SIGNED_BYTES 3

#ifndef OB_EMULATED
#define OB_SHARED(name) extern __shared__ __align__(16) u8 name[]
#define OB_SHARED_TILES(name) extern __shared__ __align__(1024) u8 name[] /* what the 128-byte swizzle asks for */
#define OB_DEVICE static __device__ __forceinline__
#define OB_IN_ORDER() asm volatile("" ::: "memory")

OB_DEVICE u32 shared_address(const void *p) {
    return (u32)__cvta_generic_to_shared(p);
}

/* Four 8x8 matrices of 16-byte rows; `row` is this lane's row. */
OB_DEVICE void ldmatrix_x4(u32 (&r)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

#if __CUDA_ARCH__ >= 800
/* Copies `valid` of BYTES bytes to shared memory and fills the rest with zeros; BYTES is 4, 8 or 16. */
template <int BYTES> OB_DEVICE void copy_async(void *shared, const void *global, u32 valid) {
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                     "r"(valid)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global),
                     "n"(BYTES), "r"(valid)
                     : "memory");
}
OB_DEVICE void copy_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int PENDING> OB_DEVICE void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
#else
/* Before sm_80 a copy goes through registers and is complete when the next block-wide barrier is. */
template <int BYTES> OB_DEVICE void copy_async(void *shared, const void *global, u32 valid) {
    u32 *to = (u32 *)shared;
    const u32 *from = (const u32 *)global;
    for (u32 i = 0; i < BYTES / 4; ++i) to[i] = 4 * i < valid ? from[i] : 0;
}
OB_DEVICE void copy_async_commit() {}
template <int PENDING> OB_DEVICE void copy_async_wait() {}
#endif
#endif /* OB_EMULATED */

#endif
