/* wgmma.cuh: c (64 x COLUMNS, over four warps) += a (64 rows x 32 bytes) * b (COLUMNS rows x 32 bytes), both
 * operands read from shared memory through descriptors. Issued, not waited for. The first product of a sum ignores
 * what c held.
 *   bits    wgmma.mma_async m64nNk256 and.popc    sm_90a only; the warpgroup form has no xor
 *   bytes   wgmma.mma_async m64nNk32 u8.s8 or s8.s8
 * An asm statement wants every register by name, hence the lists: 32 registers are 64 columns. */
#ifndef OB_WGMMA_CUH
#define OB_WGMMA_CUH

#ifndef OB_EMULATED
#if OB_OPERAND == OB_OPERAND_BYTES
#define OB_WGMMA_HEAD(N) "wgmma.mma_async.sync.aligned.m64n" #N "k32.s32.u8.s8 {"
#elif OB_OPERAND == OB_OPERAND_SIGNED_BYTES
#define OB_WGMMA_HEAD(N) "wgmma.mma_async.sync.aligned.m64n" #N "k32.s32.s8.s8 {"
#else
#define OB_WGMMA_HEAD(N) "wgmma.mma_async.sync.aligned.m64n" #N "k256.s32.b1.b1.and.popc {"
#endif

#define OB_NAMES_0                                                                                         \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, " \
    "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define OB_NAMES_1                                                                                         \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, " \
    "%52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define OB_NAMES_2                                                                                         \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, " \
    "%84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define OB_NAMES_3                                                                                       \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, " \
    "%113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define OB_HOLD8(i)                                                                                             \
    "+r"(c[i]), "+r"(c[i + 1]), "+r"(c[i + 2]), "+r"(c[i + 3]), "+r"(c[i + 4]), "+r"(c[i + 5]), "+r"(c[i + 6]), \
        "+r"(c[i + 7])
#define OB_HOLD32(i) OB_HOLD8(i), OB_HOLD8(i + 8), OB_HOLD8(i + 16), OB_HOLD8(i + 24)
/* A, B, P: the numbers of the operands that follow the accumulators. */
#define OB_WGMMA(N, NAMES, A, B, P, ...)                                                                              \
    asm volatile("{\n\t.reg .pred add;\n\tsetp.ne.b32 add, %" #P ", 0;\n\t" OB_WGMMA_HEAD(N) NAMES "}, %" #A ", %" #B \
                                                                                                   ", add;\n\t}"      \
                 : __VA_ARGS__                                                                                        \
                 : "l"(a), "l"(b), "r"(add))

template <int COLUMNS> struct Product;
template <> struct Product<64> {
    static __device__ __forceinline__ void issue(int (&c)[32], u64 a, u64 b, u32 add) {
        OB_WGMMA(64, OB_NAMES_0, 32, 33, 34, OB_HOLD32(0));
    }
};
template <> struct Product<128> {
    static __device__ __forceinline__ void issue(int (&c)[64], u64 a, u64 b, u32 add) {
        OB_WGMMA(128, OB_NAMES_0 ", " OB_NAMES_1, 64, 65, 66, OB_HOLD32(0), OB_HOLD32(32));
    }
};
template <> struct Product<192> {
    static __device__ __forceinline__ void issue(int (&c)[96], u64 a, u64 b, u32 add) {
        OB_WGMMA(192, OB_NAMES_0 ", " OB_NAMES_1 ", " OB_NAMES_2, 96, 97, 98, OB_HOLD32(0), OB_HOLD32(32),
                 OB_HOLD32(64));
    }
};
template <> struct Product<256> {
    static __device__ __forceinline__ void issue(int (&c)[128], u64 a, u64 b, u32 add) {
        OB_WGMMA(256, OB_NAMES_0 ", " OB_NAMES_1 ", " OB_NAMES_2 ", " OB_NAMES_3, 128, 129, 130, OB_HOLD32(0),
                 OB_HOLD32(32), OB_HOLD32(64), OB_HOLD32(96));
    }
};
#endif

#endif
