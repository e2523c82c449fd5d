/* test_isa_env.c: ONEBIT_ISA is read at the first call; a wrong one makes every operator refuse until a good force. */
#define _GNU_SOURCE
#include "check.h"

int main(int argc, char **argv) {
    const char *wanted = argc > 1 ? argv[1] : "no such set", *isa;
    const int known = !strcmp(wanted, "scalar");
    setenv("ONEBIT_ISA", wanted, 1);
    float x[1] = {-3};
    uint64_t w[1] = {0};
    const ob_pack_call call = {
        .batch = 1, .places = 1, .c = 1, .type = OB_TYPE_F32, .layout = OB_CHANNELS_LAST, .x = x, .out = w};
    const ob_status status = ob_pack(&call);
    CHECK(status == (known ? OB_OK : OB_ERROR_ISA_UNKNOWN), "%s", ob_status_text(status));
    CHECK(w[0] == (known ? 1u : 0u), "a refused call wrote");
    CHECK(ob_active("dense", &isa) == status, "ob_active tells the same");
    if (known) CHECK(!strcmp(isa, "scalar"), "%s", isa);
    CHECK(ob_force("scalar") == OB_OK && ob_pack(&call) == OB_OK && w[0] == 1, "a good force heals");
    return finish("test_isa_env");
}
