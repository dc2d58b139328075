// StagingWindow: memory that host and guest share outside RAM, by which kernel and initrd reach the
// boot stub. It is not RAM: devices never reach it, no view shows it, and nobody believes what is
// in it before having copied and hashed it.
#pragma once

#include <memory>

#include "vmm/memory/guest_memory.hpp"

namespace bartizan::vmm::memory {

class StagingWindow {
 public:
  // Zeros. `size`: whole pages, not 0.
  static Result<std::unique_ptr<StagingWindow>> create(GuestAddress base, uint64_t size);
  ~StagingWindow();
  StagingWindow(const StagingWindow&) = delete;
  StagingWindow& operator=(const StagingWindow&) = delete;

  // Before the guest runs. invalid_argument: not inside the window.
  Result<void> load(GuestAddress to, ByteView from);
  // Its memory back to the host; a guest that looks again sees zeros. Any thread.
  void give_back();

  GuestAddress base() const { return base_; }
  uint64_t size() const { return size_; }
  uint8_t* host_address() const { return host_; }  // for the memory slot

 private:
  StagingWindow(GuestAddress base, uint8_t* host, uint64_t size)
      : base_(base), host_(host), size_(size) {}

  GuestAddress base_;
  uint8_t* host_;
  uint64_t size_;
};

}  // namespace bartizan::vmm::memory
