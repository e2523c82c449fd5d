/* network.h: networks that were created, and what a front door needs of one to check what it is given. */
#ifndef ONEBIT_NETWORK_H
#define ONEBIT_NETWORK_H

#include "onebit_network.h"

struct ob_network_plan;

/* A description that was checked and copied, and its plans that nobody runs now, the last used first. */
typedef struct ob_held_network {
    ob_network of;
    struct ob_network_plan *plans;
    int users; /* runs under way; with those it stays, even when it is destroyed */
    int destroyed;
} ob_held_network;

/* The network of that number, which stays until it is let go; NULL if there is none. */
ob_held_network *ob_network_hold(int64_t number);
void ob_network_let_go(ob_held_network *network);
/* ob_network_run on a network that is held. */
ob_status ob_network_run_held(ob_held_network *network, const ob_network_call *call);

/* Bytes of an element of a value's type; 0 if there is no such type. */
int64_t ob_type_bytes(int32_t type);
/* Bytes of `value` for one example; -1 if it is no value. */
int64_t ob_value_bytes(const ob_value *value);

#endif
