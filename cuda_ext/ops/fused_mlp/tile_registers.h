// The tile registers of processors with AMX (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 1, chapter 18): eight of 16 rows of 64 bytes. A test puts functions of the same
// names in the place of the instructions.
#pragma once

#include <cstdint>

namespace nc {

constexpr int64_t kRegisterRows = 16, kRegisterBytes = 64;

#if !defined(NC_SOFTWARE_TILES)
// All eight registers in full size, for this thread, until release_registers().
inline void configure_registers() {
  alignas(64) uint8_t config[64] = {1};  // palette 1; sizes: two bytes each from 16, rows from 48
  for (int t = 0; t < 8; ++t) {
    config[16 + 2 * t] = kRegisterBytes;
    config[48 + t] = kRegisterRows;
  }
  __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
}

inline void release_registers() { __asm__ volatile("tilerelease" ::: "memory"); }

// Rows of register kTile from or to memory, `stride` bytes apart.
template <int kTile>
inline void load_register(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
inline void store_register(void* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}

// kSum[m][n] += kA[m][2 k] * kB[k][2 n] + kA[m][2 k + 1] * kB[k][2 n + 1]: float32 of bfloat16.
template <int kSum, int kA, int kB>
inline void add_products() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
}
#endif

}  // namespace nc
