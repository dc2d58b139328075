// AlignedPages: page-aligned memory that KVM copies launch pages from.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::launch {

class AlignedPages {
 public:
  explicit AlignedPages(size_t pages)
      : bytes_(pages * kPageSize),
        data_(static_cast<uint8_t*>(std::aligned_alloc(kPageSize, bytes_)), &std::free) {}

  bool valid() const { return data_ != nullptr; }
  size_t size() const { return bytes_; }
  uint8_t* data() { return data_.get(); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(data_.get()); }
  // `content` from the start on, zeros up to `size`. Both fit.
  void fill(ByteView content, size_t size) {
    if (!content.empty()) std::memcpy(data_.get(), content.data(), content.size());
    std::memset(data_.get() + content.size(), 0, size - content.size());
  }

 private:
  size_t bytes_;
  std::unique_ptr<uint8_t, decltype(&std::free)> data_;
};

}  // namespace bartizan::vmm::launch
