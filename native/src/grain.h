/* grain.h: how small the parts of a step may be. */
#ifndef ONEBIT_GRAIN_H
#define ONEBIT_GRAIN_H

/* A call on its own wakes threads, some 3 us; inside a network they are awake, and a part need only be worth several
 * times the passing of a cache line. The sizes of parts of a call are divided by this. */
typedef enum ob_grain { OB_GRAIN_CALL = 1, OB_GRAIN_NETWORK = 8 } ob_grain;

#endif
