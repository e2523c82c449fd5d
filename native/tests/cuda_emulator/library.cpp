/* library.cpp: one kernel on the emulator, callable as the driver's launch is: -DKERNEL_FILE='"dense_mma.cu"'
 * -DKERNEL=onebit_dense_mma and the kernel's own macros. */
#include "instructions.hpp"

#include KERNEL_FILE

#ifdef OB_OPERAND
static int form_of_products() {
    return OB_OPERAND == OB_OPERAND_BITS ? 1 : 3;
}
#else
#define OB_OPERAND OB_OPERAND_BITS
static int form_of_products() {
    return 1;
}
#endif
static int bytes_of_products_are_unsigned() {
    return OB_OPERAND == OB_OPERAND_BYTES;
}

/* The arguments of a launch are addresses of values; the kernel's own signature says of which types. */
template <class... Types, size_t... I>
static void call(void (*kernel)(Types...), void **arguments, std::index_sequence<I...>) {
    kernel(*(std::remove_reference_t<Types> *)arguments[I]...);
}
template <class... Types> static void start(void (*kernel)(Types...), void **arguments) {
    call(kernel, arguments, std::index_sequence_for<Types...>());
}

/* Sizes are grid x, y, block x, y, bytes of shared memory, blocks of a cluster. Returns what went wrong, or "". */
extern "C" const char *emulate(const unsigned *sizes, void **arguments, unsigned long long chances) {
    emulated::seed = chances * 2 + 1;
    launch({sizes[0], sizes[1], 1}, {sizes[2], sizes[3], 1}, sizes[4], sizes[5], [=] { start(KERNEL, arguments); });
    return emulated::error.c_str();
}
