// LD_PRELOAD=libfake_kvm.so: KVM for programs that are not ours to link, so that whole machines run
// through C, Python and the command line on any host. Whoever opens /fake/kvm, or
// $FAKE_KVM_DEVICE, gets a FakeKvm of its own; its guest does nothing until it is stopped, or, by
// FAKE_KVM_EXIT=MS:STATUS, marks that its workload runs and ends by itself. The probe guest of a
// start answers as on hardware. The environment is read as the library is loaded: a program may
// clear it.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "fakes/fake_kvm.hpp"

namespace {

using bartizan::fakes::FakeKvm;

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// Never destroyed, like the world below.
const std::string& device() {
  static const auto* path = new std::string(setting("FAKE_KVM_DEVICE", "/fake/kvm"));
  return *path;
}
// Empty: the guest does not end by itself.
const std::string& planned_end() {
  static const auto* plan = new std::string(setting("FAKE_KVM_EXIT", ""));
  return *plan;
}
__attribute__((constructor)) void read_environment() {
  device();
  planned_end();
}

constexpr uint64_t kProbeRam = 1 << 20;
constexpr uint16_t kMarkPort = 0x0b00, kExitPort = 0x0b04;
constexpr uint32_t kRunningMark = 11;
constexpr int kProbeAnswer = 42;
constexpr unsigned kStepMs = 10;

int port_write(kvm_run& run, uint32_t value, uint16_t port = kExitPort) {
  run.exit_reason = KVM_EXIT_IO;
  run.io = {KVM_EXIT_IO_OUT, 4, port, 1, 4096};
  std::memcpy(reinterpret_cast<uint8_t*>(&run) + 4096, &value, sizeof value);
  return 0;
}

int nothing(kvm_run& run) {
  run.exit_reason = KVM_EXIT_INTR;
  return 0;
}

// What the first vCPU does, step by step.
std::vector<FakeKvm::Exit> script(const FakeKvm& kvm) {
  std::vector<FakeKvm::Exit> steps = {[&kvm](kvm_run& run) {
    const bool probe = kvm.slots.size() == 1 && kvm.slots.begin()->second.memory_size == kProbeRam;
    return probe ? port_write(run, kProbeAnswer) : nothing(run);
  }};
  if (planned_end().empty()) return steps;
  const char* end = planned_end().c_str();
  const unsigned ms = static_cast<unsigned>(std::strtoul(end, nullptr, 10));
  const auto status = static_cast<uint32_t>(std::strtoul(std::strchr(end, ':') + 1, nullptr, 10));
  steps.push_back([](kvm_run& run) { return port_write(run, kRunningMark, kMarkPort); });
  for (unsigned passed = 0; passed < ms; passed += kStepMs)
    steps.push_back([](kvm_run& run) { return ::usleep(kStepMs * 1000), nothing(run); });
  steps.push_back([status](kvm_run& run) { return port_write(run, status); });
  steps.push_back([](kvm_run& run) { return run.exit_reason = KVM_EXIT_SHUTDOWN, 0; });
  return steps;
}

// Never destroyed: threads of the program may outlive its main function.
using File = std::pair<dev_t, ino_t>;
struct Owned {
  FakeKvm* kvm;
  File file;  // a number may be another file's by now
};
struct World {
  std::mutex mutex;
  std::map<int, Owned> owners;
};
World& world() {
  static World* only = new World;
  return *only;
}

// By fstat, which confined threads may call.
File file_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? File{status.st_dev, status.st_ino} : File{};
}

FakeKvm* owner_of(int fd) {
  std::lock_guard lock(world().mutex);
  auto found = world().owners.find(fd);
  if (found == world().owners.end() || found->second.file != file_of(fd)) return nullptr;
  return found->second.kvm;
}

int remember(int fd, FakeKvm* kvm) {
  std::lock_guard lock(world().mutex);
  if (fd >= 0) world().owners[fd] = {kvm, file_of(fd)};
  return fd;
}

int open_fake() {
  auto* kvm = new FakeKvm;
  kvm->capabilities = {{KVM_CAP_MAX_VCPUS, 64},
                       {KVM_CAP_EXIT_HYPERCALL, 1 << 12},
                       {KVM_CAP_X86_USER_SPACE_MSR, 1},
                       {KVM_CAP_X86_MSR_FILTER, 1}};
  kvm->scripts[0] = script(*kvm);
  return remember(kvm->open(device().c_str(), 0), kvm);
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int ioctl(int fd, unsigned long number, ...) {
  va_list list;
  va_start(list, number);
  const auto argument = va_arg(list, unsigned long);
  va_end(list);
  FakeKvm* kvm = owner_of(fd);
  if (kvm == nullptr) {
    static auto real = next<int (*)(int, unsigned long, ...)>("ioctl");
    return real(fd, number, argument);
  }
  const int result = kvm->ioctl(fd, {number, "ioctl"}, argument);
  const bool descriptor = number == KVM_CREATE_VM || number == KVM_CREATE_VCPU;
  return descriptor ? remember(result, kvm) : result;
}

EXPORTED int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  static auto real = next<int (*)(const char*, int, ...)>("open64");
  return path == device() ? open_fake() : real(path, flags, mode);
}

EXPORTED int open64(const char* path, int flags, ...) __attribute__((alias("open")));
