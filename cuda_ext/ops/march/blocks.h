// Which blocks of an occupancy grid are empty: the CPU loops skip them at once.
#pragma once

#include <cstdint>
#include <vector>

namespace nc {

// [ceil(bricks / 4)^3]: does the block of 4x4x4 bricks hold an occupied cell.
inline std::vector<uint8_t> occupied_blocks(const uint64_t* words, int64_t bricks) {
  const int64_t n = (bricks + 3) / 4;
  std::vector<uint8_t> blocks(n * n * n, 0);
  for (int64_t x = 0; x < bricks; ++x)
    for (int64_t y = 0; y < bricks; ++y)
      for (int64_t z = 0; z < bricks; ++z)
        blocks[((x / 4) * n + y / 4) * n + z / 4] |= words[(x * bricks + y) * bricks + z] != 0;
  return blocks;
}

}  // namespace nc
