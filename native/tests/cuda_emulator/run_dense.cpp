/* run_dense.cpp: one dense kernel (-DKERNEL=wgmma, mma or popc, and the kernel's own macros) on the emulator, against the definition. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define KERNEL_wgmma 1
#define KERNEL_mma 2
#define KERNEL_popc 3
#define PICK_(x) KERNEL_##x
#define PICK(x) PICK_(x)
#include "instructions.hpp"
#if PICK(KERNEL) == KERNEL_wgmma
#include "dense_wgmma.cu"
#elif PICK(KERNEL) == KERNEL_mma
#include "dense_mma.cu"
#else
#include "dense_popc.cu"
#endif

static int form_of_products() { return OB_OPERAND == OB_OPERAND_BYTES ? 3 : 1; }

static std::vector<u8> random_rows(u32 rows, u32 k, u32 stride, bool bits) {
    std::vector<u8> data((size_t)rows * stride, 0);
    for (u32 r = 0; r < rows; ++r)
        for (u32 i = 0; i < k; ++i) {
            u32 v = chance();
            if (bits) data[(size_t)r * stride + i / 8] |= (v >> 8 & 1) << i % 8;
            else data[(size_t)r * stride + i] = (u8)(v >> 8);
        }
    return data;
}
static int bit(const std::vector<u8> &d, size_t row, u32 stride, u32 i) { return d[row * stride + i / 8] >> i % 8 & 1; }

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    u32 m = (u32)atoi(argv[1]), n = (u32)atoi(argv[2]), k = (u32)atoi(argv[3]);
    emulated::seed = (u64)atoll(argv[4]) * 2 + 1;
    bool bits = OB_OPERAND == 1;
    u32 x_stride = bits ? (k + 63) / 64 * 8 : k, w_stride = bits ? x_stride : (k + 15) / 16 * 16;
    std::vector<u8> x = random_rows(m, k, x_stride, bits), signs = random_rows(n, k, (k + 63) / 64 * 8, true), w = signs;
    if (!bits) {
        w.assign((size_t)n * w_stride, 0);
        for (u32 j = 0; j < n; ++j)
            for (u32 i = 0; i < k; ++i) w[(size_t)j * w_stride + i] = bit(signs, j, (k + 63) / 64 * 8, i) ? 0xFF : 1;
    }
    std::vector<int> row_sums(m), column_sums(n), threshold(n), expected((size_t)m * n);
    std::vector<float> scale(n), bias(n);
    std::vector<i8> direction(n);
    for (u32 i = 0; i < m; ++i)
        for (u32 j = 0; j < n; ++j) {
            int y = 0;
            for (u32 l = 0; l < k; ++l) {
                int sign = bit(signs, j, (k + 63) / 64 * 8, l) ? -1 : 1;
                y += bits ? (bit(x, i, x_stride, l) ? -sign : sign) : sign * x[(size_t)i * x_stride + l];
            }
            expected[(size_t)i * n + j] = y;
        }
    for (u32 i = 0; i < m; ++i) for (u32 l = 0; bits && l < k; ++l) row_sums[i] += bit(x, i, x_stride, l);
    for (u32 j = 0; j < n; ++j) {
        for (u32 l = 0; bits && l < k; ++l) column_sums[j] += bit(w, j, w_stride, l);
        /* thresholds that occur as sums, so that ties are common, and the constant channels */
        threshold[j] = chance() % 8 ? expected[(size_t)(chance() % m) * n + j] : chance() % 2 ? INT32_MIN : INT32_MAX;
        direction[j] = chance() % 2 ? 1 : -1;
        scale[j] = (float)(int)(chance() % 2000) / 997.0f - 1.0f, bias[j] = (float)(int)(chance() % 2000) / 31.0f;
    }
    u32 row_words = (n + 63) / 64, guard = 64;
    size_t out_bytes = OB_OUTPUT == 3 ? (size_t)m * row_words * 8 : (size_t)m * n * 4;
    std::vector<u8> out(out_bytes + guard, 0xCD);
#if PICK(KERNEL) == KERNEL_wgmma
    const u32 tile_m = TILE_M, tile_n = TILE_N, blocks_k = 0;
#elif PICK(KERNEL) == KERNEL_mma
    const u32 tile_m = TILE, tile_n = TILE, blocks_k = (x_stride + 63) / 64;
#else
    const u32 tile_m = ROWS, tile_n = BLOCK_COLUMNS, blocks_k = 0;
#endif
    int padding = bits && OB_FORM == OB_FORM_DOT ? (int)(blocks_k * 512 - k) : 0;
    DenseArgs args = {out.data(), row_sums.data(), column_sums.data(), scale.data(), bias.data(), threshold.data(),
                      direction.data(), x.data(), w.data(), m, n, k, x_stride, x_stride, w_stride,
                      (m + tile_m - 1) / tile_m, (n + tile_n - 1) / tile_n, 2, padding};
#if PICK(KERNEL) == KERNEL_wgmma
    TensorMap map_x = {{(u64)x.data(), x_stride, m, x_stride, TILE_M}},
              map_w = {{(u64)w.data(), x_stride, n, w_stride, TILE_N / CLUSTER}};
    launch({3 * CLUSTER, 1, 1}, {THREADS, 1, 1}, SHARED_BYTES, CLUSTER, [&] { onebit_dense_wgmma(map_x, map_w, args); });
#elif PICK(KERNEL) == KERNEL_mma
    launch({args.tiles_m * args.tiles_n, 1, 1}, {THREADS, 1, 1}, SHARED_BYTES, 1, [&] { onebit_dense_mma(args); });
#else
    launch({args.tiles_m * args.tiles_n, 1, 1}, {THREADS, 1, 1}, 16, 1, [&] { onebit_dense_popc(args); });
#endif
    size_t wrong = 0;
    for (size_t i = out_bytes; i < out.size(); ++i) wrong += out[i] != 0xCD;
    for (u32 i = 0; i < m; ++i)
        for (u32 j = 0; j < (OB_OUTPUT == 3 ? row_words * 64 : n); ++j) {
            int y = j < n ? expected[(size_t)i * n + j] : 0;
            if (OB_OUTPUT == 3) {
                int want = j < n ? !(direction[j] > 0 ? y >= threshold[j] : y <= threshold[j]) : 0;
                wrong += bit(out, i, row_words * 8, j) != want;
            } else if (OB_OUTPUT == 2) {
                volatile float product = (float)y * scale[j];
                float want = product + bias[j];
                wrong += memcmp(&want, &out[((size_t)i * n + j) * 4], 4) != 0;
            } else
                wrong += memcmp(&y, &out[((size_t)i * n + j) * 4], 4) != 0;
        }
    printf("%s %u %u %u: %zu wrong\n", TEXT(KERNEL), m, n, k, wrong);
    return wrong != 0;
}
