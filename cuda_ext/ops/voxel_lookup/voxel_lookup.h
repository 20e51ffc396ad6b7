// voxel_lookup: the eight vertices around ONE point, their rows in a sparse table, their weights.
#pragma once

#include "portable.h"

// slots [rows] or null: where in table each of the lattice's rows lies; voxel_add changes table.
#define NC_ARGUMENTS_voxel_lookup(T)                                                         \
  int64_t points, int64_t width, int64_t cells, int64_t bricks, int64_t rows, const T* unit, \
      const T* table, const int64_t* words, const int64_t* first, T* features
#define NC_ARGUMENTS_voxel_touch(T)                                           \
  int64_t points, int64_t cells, int64_t bricks, int64_t rows, const T* unit, \
      const int64_t* words, const int64_t* first, uint8_t* touched
#define NC_ARGUMENTS_voxel_add(T)                                                              \
  int64_t points, int64_t width, int64_t cells, int64_t bricks, int64_t rows, const T* unit,   \
      const int64_t* words, const int64_t* first, const T* values, const int32_t* slots, T* table

namespace nc {

// Vertices 0 to cells on each axis, in bricks of 4x4x4 with one 64-bit word of presence each.
struct VoxelBricks {
  const int64_t* words;  // [bricks^3] bit (x * 4 + y) * 4 + z: the vertex is stored
  const int64_t* first;  // [bricks^3] row of the brick's first stored vertex
  int64_t cells, bricks, rows;
};

NC_HD int ones(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __popcll(bits);
#else
  return __builtin_popcountll(bits);
#endif
}

// Row of a vertex of a brick, -1 where none is stored. A row beyond the table counts as not stored,
// so that no words, however wrong, read foreign memory.
NC_HD int32_t voxel_row(const VoxelBricks& grid, int64_t brick, int bit) {
  const uint64_t word = static_cast<uint64_t>(grid.words[brick]) << (63 - bit);  // its bit on top
  const uint64_t row = static_cast<uint64_t>(grid.first[brick]) + ones(word << 1);
  const bool stored = word >> 63 && row < static_cast<uint64_t>(grid.rows);
  return stored ? static_cast<int32_t>(row) : -1;
}

// Cell of one coordinate x in the unit interval (clamped; NaN becomes 0) and the place within it;
// 1 belongs to the last cell.
template <class T>
NC_HD int voxel_cell(T x, int64_t cells, T* fraction) {
  x = x > T(0) ? x : T(0);
  x = x < T(1) ? x : T(1);
  const T p = x * static_cast<T>(cells);
  const T cell = min_(floor_(p), static_cast<T>(cells - 1));
  *fraction = p - cell;
  return static_cast<int>(cell);
}

// Corner c has x, y, z in bits 2, 1, 0 of c.
template <class T>
struct VoxelCorners {
  int32_t row[8];
  T weight[8];

  NC_HD VoxelCorners(const VoxelBricks& grid, const T* unit) {
    T part[3][2];
    int64_t brick[3][2];
    int bit[3][2];
    for (int d = 0; d < 3; ++d) {
      const int cell = voxel_cell(unit[d], grid.cells, &part[d][1]);
      part[d][0] = T(1) - part[d][1];
      for (int i = 0; i < 2; ++i) {
        brick[d][i] = (cell + i) >> 2;
        bit[d][i] = ((cell + i) & 3) << (4 - 2 * d);
        for (int e = d; e < 2; ++e) brick[d][i] *= grid.bricks;
      }
    }
    for (int c = 0; c < 8; ++c) {
      const int x = c >> 2, y = c >> 1 & 1, z = c & 1;
      row[c] = voxel_row(grid, brick[0][x] + brick[1][y] + brick[2][z],
                         bit[0][x] + bit[1][y] + bit[2][z]);
      weight[c] = part[0][x] * part[1][y] * part[2][z];
    }
  }

  // Rows of another table: slots [rows] tells for each that is stored where it lies there.
  NC_HD void move(const int32_t* slots) {
    for (int c = 0; c < 8; ++c)
      if (row[c] >= 0) row[c] = slots[row[c]];
  }
};

}  // namespace nc
