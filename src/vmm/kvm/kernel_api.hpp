// KernelApi: the seam between us and the kernel. Production uses LinuxKernelApi; tests use a fake
// that plays KVM.
//
// Calls return what the system calls return: -1 and errno on failure. Descriptors are real ones (a
// fake hands out memfds), so that UniqueFd owns them alike. Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace bartizan::vmm::kvm {

// An ioctl by number and by the name that errors show.
struct IoctlRequest {
  unsigned long number = 0;
  const char* name = "";
};

class KernelApi {
 public:
  virtual ~KernelApi() = default;
  virtual int open(const char* path, int flags) = 0;
  virtual int ioctl(int fd, const IoctlRequest& request, unsigned long argument) = 0;
  virtual void* mmap(size_t size, int protection, int flags, int fd) = 0;  // MAP_FAILED on failure
  virtual int munmap(void* address, size_t size) = 0;
};

std::shared_ptr<KernelApi> linux_kernel();

}  // namespace bartizan::vmm::kvm
