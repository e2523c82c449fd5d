/* libcuda.cpp: the functions of the CUDA driver that onebit calls, with the driver's own prototypes, on the machine of
 * this folder. A module is PTX, as the driver takes it, too. */
#include "hopper.hpp"

#include <mutex>

namespace {
using namespace ptx;
enum { SUCCESS = 0, INVALID_VALUE = 1, LAUNCH_FAILED = 719, INVALID_PTX = 218, NOT_FOUND = 500 };

struct Function {
    const Module *module;
    const Entry *entry;
    int most_shared = 48 << 10;
};
struct Attribute { /* CUlaunchAttribute */
    int id, pad;
    u32 value[16];
};
struct Config { /* CUlaunchConfig */
    u32 grid[3], block[3], shared_bytes;
    void *stream;
    Attribute *attributes;
    u32 count;
};
std::string error;
std::vector<Region> regions;
u64 chances = 1;
int context_is_current;
std::mutex lock;

int most_shared(u32 target) { /* bytes of a block, by compute capability */
    return target == 75                                    ? 65536
           : target == 80 || target == 87                  ? 166912
           : target == 86 || target == 89 || target >= 120 ? 101376
                                                           : 232448;
}
int refuse(int status, const std::string &why) {
    error = why;
    return status;
}
int start(const Config &config, const Function &f, void **arguments) {
    Machine machine = {};
    machine.module = f.module, machine.entry = f.entry, machine.cluster_size = 1;
    for (u32 i = 0; i < config.count; ++i) {
        const Attribute &a = config.attributes[i];
        if (a.id != 4 || a.value[1] != 1 || a.value[2] != 1)
            return refuse(INVALID_VALUE, "a launch attribute that is not modelled");
        machine.cluster_size = a.value[0];
    }
    u64 threads = 1, blocks = 1;
    for (int i = 0; i < 3; ++i) {
        machine.grid[i] = config.grid[i], machine.block[i] = config.block[i];
        threads *= config.block[i], blocks *= config.grid[i];
    }
    const u32 *most = f.entry->most_threads;
    if (threads > (u64)most[0] * most[1] * most[2]) return refuse(INVALID_VALUE, "more threads than the launch bounds");
    if (!threads || threads > 1024 || threads % 32)
        return refuse(INVALID_VALUE, "a block of " + std::to_string(threads) + " threads");
    if (!blocks || config.grid[1] > 65535 || config.grid[2] > 65535)
        return refuse(INVALID_VALUE, "a grid that does not exist");
    if (!machine.cluster_size || config.grid[0] % machine.cluster_size || machine.cluster_size > 8)
        return refuse(INVALID_VALUE, "a grid that is not made of whole clusters");
    if (machine.cluster_size > 1 && f.module->target < 90)
        return refuse(INVALID_VALUE, "clusters need compute capability 9.0");
    if ((int)config.shared_bytes > f.most_shared)
        return refuse(INVALID_VALUE,
                      std::to_string(config.shared_bytes) + " bytes of shared memory were not asked for");
    machine.shared_bytes = config.shared_bytes, machine.regions = regions, machine.seed = chances++ * 2 + 1;
    machine.parameters.resize(f.entry->parameter_bytes + 64);
    machine.parameter_base = machine.parameters.data() + (64 - (u64)machine.parameters.data() % 64) % 64;
    for (size_t i = 0; i < f.entry->parameters.size(); ++i)
        memcpy(machine.parameter_base + f.entry->parameters[i].offset, arguments[i], f.entry->parameters[i].size);
    try {
        machine.run();
    } catch (const Failure &failure) {
        return refuse(LAUNCH_FAILED, f.entry->name + ": " + failure.what());
    }
    return SUCCESS;
}
} // namespace

extern "C" {
/* Of the machine, not of the driver: memory that kernels may touch, what went wrong, where chance begins. */
void machine_memory(const void *first, u64 bytes) {
    regions.push_back({(const u8 *)first, bytes, {}});
}
void machine_forget_memory() {
    regions.clear();
}
const char *machine_error() {
    return error.c_str();
}
void machine_seed(u64 seed) {
    chances = seed;
}

int cuGetErrorName(int status, const char **name) {
    *name = status == SUCCESS         ? "CUDA_SUCCESS"
            : status == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE"
            : status == INVALID_PTX   ? "CUDA_ERROR_INVALID_PTX"
            : status == NOT_FOUND     ? "CUDA_ERROR_NOT_FOUND"
                                      : "CUDA_ERROR_LAUNCH_FAILED";
    return SUCCESS;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal ? INVALID_VALUE : SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    *context = &context_is_current;
    return device ? INVALID_VALUE : SUCCESS;
}
int cuCtxGetCurrent(void **context) {
    *context = context_is_current ? &context_is_current : nullptr;
    return SUCCESS;
}
int cuCtxSetCurrent(void *context) {
    context_is_current = context == &context_is_current;
    return context_is_current ? SUCCESS : INVALID_VALUE;
}
int cuModuleLoadData(void **module, const void *image) {
    if (!context_is_current) return refuse(INVALID_VALUE, "no context is current");
    try {
        *module = new Module(parse((const char *)image));
    } catch (const std::exception &failure) {
        return refuse(INVALID_PTX, failure.what());
    }
    return SUCCESS;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    auto &entries = ((Module *)module)->entries;
    auto found = entries.find(name);
    if (found == entries.end()) return refuse(NOT_FOUND, std::string("no kernel ") + name);
    *function = new Function{(Module *)module, &found->second};
    return SUCCESS;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
    Function &f = *(Function *)function;
    if (attribute != 8 || value < 0 || value > most_shared(f.module->target))
        return refuse(INVALID_VALUE, "an attribute out of range");
    f.most_shared = value;
    return SUCCESS;
}
int cuTensorMapEncodeTiled(void *map, int type, u32 rank, void *address, const u64 *size, const u64 *strides,
                           const u32 *box, const u32 *steps, int interleave, int swizzle, int promotion, int fill) {
    bool modelled = type == 0 && rank >= 2 && rank <= 4 && interleave == 0 && swizzle >= 1 && swizzle <= 3 &&
                    promotion >= 0 && promotion <= 3 && fill == 0 && box[0] == 16u << swizzle;
    if (!modelled) return refuse(INVALID_VALUE, "a tensor map that is not modelled");
    TensorMap made = {TENSOR_MAP_MAGIC, (u64)address, {1, 1, 1, 1}, {}, {1, 1, 1, 1}, {1, 1, 1, 1}, rank, {}};
    bool right = (u64)map % 64 == 0 && (u64)address % 16 == 0 && steps[0] == 1;
    for (u32 i = 0; i < rank; ++i) {
        right = right && size[i] && size[i] <= 1ull << 32 && box[i] && box[i] <= 256 && steps[i] && steps[i] <= 8;
        if (!right) break;
        made.size[i] = size[i], made.step[i] = steps[i], made.box[i] = (box[i] + steps[i] - 1) / steps[i];
    }
    for (u32 i = 0; i + 1 < rank; ++i) {
        right =
            right && strides[i] % 16 == 0 && strides[i] < 1ull << 40 && strides[i] >= (i ? strides[i - 1] : size[0]);
        made.stride[i] = strides[i];
    }
    if (!right) return refuse(INVALID_VALUE, "a tensor map against the driver's rules");
    memcpy(map, &made, sizeof made);
    return SUCCESS;
}
int cuLaunchKernelEx(const Config *config, void *function, void **arguments, void **extra) {
    std::lock_guard<std::mutex> one_at_a_time(lock);
    if (!context_is_current || extra) return refuse(INVALID_VALUE, "a launch that is not modelled");
    return start(*config, *(Function *)function, arguments);
}
}
