#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/kvm/kernel_api.hpp"

namespace bartizan::vmm::kvm {
namespace {

class LinuxKernelApi final : public KernelApi {
 public:
  int open(const char* path, int flags) override { return ::open(path, flags | O_CLOEXEC); }
  int ioctl(int fd, const IoctlRequest& request, unsigned long argument) override {
    return ::ioctl(fd, request.number, argument);
  }
  void* mmap(size_t size, int protection, int flags, int fd) override {
    return ::mmap(nullptr, size, protection, flags, fd, 0);
  }
  int munmap(void* address, size_t size) override { return ::munmap(address, size); }
};

}  // namespace

std::shared_ptr<KernelApi> linux_kernel() {
  return std::make_shared<LinuxKernelApi>();
}

}  // namespace bartizan::vmm::kvm
