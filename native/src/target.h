/* target.h: a region of a file compiled for more than the baseline processor, so that no file needs its own flags. */
#ifndef ONEBIT_TARGET_H
#define ONEBIT_TARGET_H

#define OB_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define OB_TARGET_BEGIN(features) \
    OB_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define OB_TARGET_END _Pragma("clang attribute pop")
#else
#define OB_TARGET_BEGIN(features) _Pragma("GCC push_options") OB_PRAGMA(GCC target(features))
#define OB_TARGET_END _Pragma("GCC pop_options")
#endif

#define OB_TARGET_AVX2 "avx2,f16c"
#define OB_TARGET_AVX512BW "avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq"
#define OB_TARGET_AVX512VPOPCNT "avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq"
/* tiles.h writes the tile instructions itself */
#define OB_TARGET_AMX "avx2,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq,gfni"

/* OB_UNROLL: a loop over the registers of a tile, whose bounds are constants after inlining, is unrolled whole.
 * OB_UNROLL_BY_4: a loop over words; the exit of a short loop is then easier to predict.
 * Sanitizer builds do without: there gcc warns of loops that it cannot unroll. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OB_UNROLL
#define OB_UNROLL_BY_4
#define OB_NO_UNROLL
#elif defined(__clang__)
#define OB_UNROLL OB_PRAGMA(clang loop unroll(full))
#define OB_UNROLL_BY_4 OB_PRAGMA(clang loop unroll_count(4))
#define OB_NO_UNROLL OB_PRAGMA(clang loop unroll(disable))
#else
#define OB_UNROLL OB_PRAGMA(GCC unroll 32)
#define OB_UNROLL_BY_4 OB_PRAGMA(GCC unroll 4)
#define OB_NO_UNROLL OB_PRAGMA(GCC unroll 1)
#endif

/* A sum that must be added up in the order written: compilers that reassociate an unrolled chain of integer additions
 * compute all terms first and spill them. Costs no instruction. */
#define OB_IN_ORDER(vector) __asm__("" : "+v"(vector))

#endif
