/* cpu.h: what this CPU can run, as a set of bits. A feature counts only if the operating system saves its registers
 * and, for AMX, gave them to this process (amx/permission.h). quickpermw is no instruction: vpermw is one operation,
 * two of which start in a cycle where two of vpdpbusd do (AMD); on Intel's it is two operations of one port. */
#ifndef ONEBIT_CPU_H
#define ONEBIT_CPU_H

#include <stdint.h>

#define OB_CPU_FEATURES(X)                \
    X(AVX2, "avx2")                       \
    X(FMA, "fma")                         \
    X(F16C, "f16c")                       \
    X(AVXVNNI, "avxvnni")                 \
    X(AVX512F, "avx512f")                 \
    X(AVX512BW, "avx512bw")               \
    X(AVX512VL, "avx512vl")               \
    X(AVX512DQ, "avx512dq")               \
    X(AVX512VNNI, "avx512vnni")           \
    X(AVX512VBMI, "avx512vbmi")           \
    X(AVX512BITALG, "avx512bitalg")       \
    X(AVX512VPOPCNTDQ, "avx512vpopcntdq") \
    X(GFNI, "gfni")                       \
    X(QUICKPERMW, "quickpermw")           \
    X(AMXTILE, "amxtile")                 \
    X(AMXINT8, "amxint8")                 \
    X(NEON, "neon")                       \
    X(DOTPROD, "dotprod")                 \
    X(I8MM, "i8mm")

#define OB_CPU_INDEX(name, text) OB_CPU_INDEX_##name,
enum { OB_CPU_FEATURES(OB_CPU_INDEX) OB_CPU_COUNT };
#undef OB_CPU_INDEX
#define OB_CPU_BIT(name, text) OB_CPU_##name = 1 << OB_CPU_INDEX_##name,
enum { OB_CPU_FEATURES(OB_CPU_BIT) };
#undef OB_CPU_BIT

/* What the rows of kernels.def need, all of it; one name per instruction set of the table. */
#define OB_NEEDS_SCALAR 0u
#define OB_NEEDS_NEON ((uint32_t)OB_CPU_NEON)
#define OB_NEEDS_AVX2 ((uint32_t)(OB_CPU_AVX2 | OB_CPU_F16C))
#define OB_NEEDS_AVX512BW \
    (OB_NEEDS_AVX2 | (uint32_t)(OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VL | OB_CPU_AVX512DQ))
#define OB_NEEDS_AVX512VPOPCNT (OB_NEEDS_AVX512BW | (uint32_t)(OB_CPU_AVX512VNNI | OB_CPU_AVX512VPOPCNTDQ))
#define OB_NEEDS_AMX (OB_NEEDS_AVX512VPOPCNT | (uint32_t)(OB_CPU_GFNI | OB_CPU_AMXTILE | OB_CPU_AMXINT8))

/* The features found, as a set of OB_CPU_* bits; found once, then remembered. */
uint32_t ob_cpu(void);

#endif
