/* cpu.c: asks the CPU (cpuid) and the operating system (xgetbv, hwcap) what can be run. */
#include "cpu.h"

#include <pthread.h>
#include <string.h>

#include "amx/permission.h"
#include "onebit.h"

static uint32_t found;
static char names[256];
static const char *unusable = ""; /* one sentence on a feature of the CPU that this process may not use */
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>

/* Which register files the operating system saves: bits 1, 2 AVX; 5, 6, 7 AVX-512; others: amx/permission.c. */
static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int of_amd(void) {
    uint32_t a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
}

static uint32_t detect(void) {
    uint32_t a, b, c, d, set = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const uint32_t osxsave = 1u << 27, fma = 1u << 12, f16c = 1u << 29;
    if (!(c & osxsave)) return 0;
    const uint64_t saved = saved_registers();
    const int avx = (saved & 0x6) == 0x6, avx512 = avx && (saved & 0xe0) == 0xe0;
    if (avx && (c & fma)) set |= OB_CPU_FMA;
    if (avx && (c & f16c)) set |= OB_CPU_F16C;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return set;
    if (avx && (b & 1u << 5)) set |= OB_CPU_AVX2;
    if (avx512) {
        if (b & 1u << 16) set |= OB_CPU_AVX512F;
        if (b & 1u << 17) set |= OB_CPU_AVX512DQ;
        if (b & 1u << 30) set |= OB_CPU_AVX512BW | (of_amd() ? OB_CPU_QUICKPERMW : 0);
        if (b & 1u << 31) set |= OB_CPU_AVX512VL;
        if (c & 1u << 1) set |= OB_CPU_AVX512VBMI;
        if (c & 1u << 8) set |= OB_CPU_GFNI;
        if (c & 1u << 11) set |= OB_CPU_AVX512VNNI;
        if (c & 1u << 12) set |= OB_CPU_AVX512BITALG;
        if (c & 1u << 14) set |= OB_CPU_AVX512VPOPCNTDQ;
    }
    set |= ob_amx_permission(d, saved, &unusable);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && avx && (a & 1u << 4)) set |= OB_CPU_AVXVNNI;
    return set;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static uint32_t detect(void) {
    const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    uint32_t set = OB_CPU_NEON; /* part of every ARM64 */
    if (first & 1ul << 20) set |= OB_CPU_DOTPROD;
    if (second & 1ul << 13) set |= OB_CPU_I8MM;
    return set;
}
#elif defined(__aarch64__)
static uint32_t detect(void) {
    return OB_CPU_NEON;
}
#else
static uint32_t detect(void) {
    return 0;
}
#endif

static void describe(void) {
    found = detect();
#define OB_CPU_NAME(name, text) \
    if (found & OB_CPU_##name) strcat(strcat(names, names[0] ? " " : ""), text);
    OB_CPU_FEATURES(OB_CPU_NAME)
#undef OB_CPU_NAME
}

uint32_t ob_cpu(void) {
    pthread_once(&once, describe);
    return found;
}

const char *ob_cpu_features(void) {
    pthread_once(&once, describe);
    return names;
}

const char *ob_cpu_unusable(void) {
    pthread_once(&once, describe);
    return unusable;
}
