/* permission.h: whether this process may use the tile registers of AMX. */
#ifndef ONEBIT_AMX_PERMISSION_H
#define ONEBIT_AMX_PERMISSION_H

#include <stdint.h>

/* From cpuid's leaf 7 (register edx) and xgetbv's register set: OB_CPU_AMX* that may be used. Linux gives a process the
 * tile registers only when it asks: this asks. `reason` is set to one sentence if the CPU has them and the process may
 * not use them, else left alone. */
uint32_t ob_amx_permission(uint32_t leaf_7_edx, uint64_t saved_registers, const char **reason);

#endif
