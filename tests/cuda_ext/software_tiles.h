// The instructions of tile_registers.h in software, as Intel describes them, for processors without
// AMX. Included before a source that is compiled with NC_AMX; use of registers without a
// configuration ends the program, as it would there.
#pragma once

#define NC_SOFTWARE_TILES

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace nc {

struct SoftwareTiles {
  bool configured = false;
  uint32_t registers[8][16][16];

  auto& at(int tile) {
    if (!configured) std::abort();
    return registers[tile];
  }
};

inline thread_local SoftwareTiles software_tiles;

inline void configure_registers() {
  software_tiles.configured = true;
  std::memset(software_tiles.registers, 0, sizeof software_tiles.registers);
}

inline void release_registers() { software_tiles.configured = false; }

template <int kTile>
void load_register(const void* from, int64_t stride) {
  auto& rows = software_tiles.at(kTile);
  for (int m = 0; m < 16; ++m)
    std::memcpy(rows[m], static_cast<const char*>(from) + m * stride, sizeof rows[m]);
}

template <int kTile>
void store_register(void* to, int64_t stride) {
  auto& rows = software_tiles.at(kTile);
  for (int m = 0; m < 16; ++m)
    std::memcpy(static_cast<char*>(to) + m * stride, rows[m], sizeof rows[m]);
}

inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <int kSum, int kA, int kB>
void add_products() {
  auto &sum = software_tiles.at(kSum), &a = software_tiles.at(kA), &b = software_tiles.at(kB);
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < 16; ++n) {
        float total = as_float(sum[m][n]);
        total += as_float(a[m][k] << 16) * as_float(b[k][n] << 16);
        total += as_float(a[m][k] & 0xffff0000) * as_float(b[k][n] & 0xffff0000);
        std::memcpy(&sum[m][n], &total, sizeof total);
      }
}

}  // namespace nc
