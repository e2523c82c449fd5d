/* permission.c: asks the operating system for the tile registers. */
#define _DEFAULT_SOURCE
#include "permission.h"

#include "../cpu.h"

#if defined(__linux__) && defined(__x86_64__)
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Holds for the whole process, its future threads and children. A thread whose alternate signal stack is too small for
 * the tiles makes the kernel say no: a signal would have no room to save them. */
static const char *ask(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0) return 0;
    if (errno == ENOSPC)
        return "This CPU has AMX, but a thread's alternate signal stack is too small for the tile registers, so Linux "
               "refused them.";
    return "This CPU has AMX, but Linux refused the tile registers (5.16 or newer is needed, and a sandbox may forbid "
           "arch_prctl).";
}
#else
static const char *ask(void) {
    return "This CPU has AMX, but onebit asks for its tile registers on Linux only.";
}
#endif

uint32_t ob_amx_permission(uint32_t leaf_7_edx, uint64_t saved_registers, const char **reason) {
    const int tile = leaf_7_edx >> 24 & 1, int8 = leaf_7_edx >> 25 & 1;
    if (!tile || !int8) return 0;
    if ((saved_registers & 0x60000) != 0x60000) {
        *reason = "This CPU has AMX, but the operating system does not save its tile registers.";
        return 0;
    }
    const char *refused = ask();
    if (!refused) return OB_CPU_AMXTILE | OB_CPU_AMXINT8;
    *reason = refused;
    return 0;
}
