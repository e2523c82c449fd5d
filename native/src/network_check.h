/* network_check.h: whether a description is one of a network. */
#ifndef ONEBIT_NETWORK_CHECK_H
#define ONEBIT_NETWORK_CHECK_H

#include "onebit_network.h"

/* step: where the error is, -1 if in no step. */
ob_status ob_network_check(const ob_network *network, int32_t *step);

#endif
