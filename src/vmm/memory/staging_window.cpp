#include "vmm/memory/staging_window.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::vmm::memory {
namespace {

constexpr const char* kOrigin = "memory";

}  // namespace

Result<std::unique_ptr<StagingWindow>> StagingWindow::create(GuestAddress base, uint64_t size) {
  if (size == 0 || size % kPageSize != 0 || base.value % kPageSize != 0) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "staging window {:#x}+{:#x}: not whole pages", base.value, size);
  }
  // As guest RAM: paid for when touched, and not for forked children of the caller.
  void* host = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (host == MAP_FAILED)
    return errno_error(errno, kOrigin, fmt::format("staging window of {} bytes: mmap", size));
  ::madvise(host, size, MADV_DONTFORK);
  ::madvise(host, size, MADV_DONTDUMP);
  return std::unique_ptr<StagingWindow>(new StagingWindow(base, static_cast<uint8_t*>(host), size));
}

StagingWindow::~StagingWindow() {
  ::munmap(host_, size_);
}

Result<void> StagingWindow::load(GuestAddress to, ByteView from) {
  bool inside = to >= base_ && to.value - base_.value <= size_ &&
                from.size() <= size_ - (to.value - base_.value);
  if (!inside) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "guest address {:#x}+{:#x}: not in the staging window {:#x}+{:#x}", to.value,
                      from.size(), base_.value, size_);
  }
  if (!from.empty()) std::memcpy(host_ + (to.value - base_.value), from.data(), from.size());
  return {};
}

void StagingWindow::give_back() {
  ::madvise(host_, size_, MADV_DONTNEED);
}

}  // namespace bartizan::vmm::memory
