// LineSplitter: bytes of the guest's console in, clean lines out.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace bartizan::vmm::machine {

// A guest that never ends its line must not fill our memory: it is cut here.
constexpr size_t kMaxLogLine = 4096;

// Control characters become '?': a guest must not drive the terminal of whoever reads its log. One
// thread.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(std::string_view)> line) : line_(std::move(line)) {}
  void add(ByteView bytes);
  void finish();  // what came after the last newline

 private:
  std::function<void(std::string_view)> line_;
  std::string pending_;
};

}  // namespace bartizan::vmm::machine
