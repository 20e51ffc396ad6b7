// fused_mlp on the CPU: memory that a thread works in.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>

namespace nc {

// Zeroed memory on a cache line; freed with its owner.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size)
      : memory_(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64}))) {
    std::memset(static_cast<void*>(memory_), 0, size * sizeof(T));
  }
  ~Scratch() { ::operator delete(memory_, std::align_val_t{64}); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return memory_; }

 private:
  T* memory_;
};

}  // namespace nc
