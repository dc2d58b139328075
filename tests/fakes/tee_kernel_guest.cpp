// The scripted guest and KVM_RUN: see tee_kernel_guest.hpp.
#include "fakes/tee_kernel_guest.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "fakes/tee_kernel_vm.hpp"

namespace bartizan::fakes {
namespace {

using Kind = GuestStep::Kind;

// Where the exit's own fields are; <linux/kvm.h> of Debian 12 does not know these exits.
template <typename T>
T& exit_data(kvm_run& run) {
  return *reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(&run) + vmm::kvm::kExitDataOffset);
}

}  // namespace

// After any errno but EFAULT the exit reason is left over from earlier: here from a fault that
// never was.
int TeeVm::fail_run(TeeVcpu& vcpu, int error) {
  vcpu.run->exit_reason = vmm::kvm::kExitMemoryFault;
  exit_data<vmm::kvm::ExitMemoryFault>(*vcpu.run) = {vmm::kvm::kMemoryFaultPrivate, 0xdead000,
                                                     kPage};
  return -error;
}

int TeeVm::memory_fault(TeeVcpu& vcpu, uint64_t gpa, bool is_private) {
  vcpu.run->exit_reason = vmm::kvm::kExitMemoryFault;
  exit_data<vmm::kvm::ExitMemoryFault>(*vcpu.run) = {is_private ? vmm::kvm::kMemoryFaultPrivate : 0,
                                                     gpa / kPage * kPage, kPage};
  return -EFAULT;
}

int TeeVm::run(uint32_t id, std::unique_lock<std::mutex>& lock) {
  TeeVcpu& vcpu = vcpus_.at(id);
  if (!ready_to_run(vcpu)) return fail_run(vcpu, EINVAL);
  if (vcpu.dead) return fail_run(vcpu, EIO);
  if (int refused = complete(vcpu); refused != 0) return fail_run(vcpu, -refused);
  if (vcpu.dead) return 0;  // of the answer it got; the exit is filled in
  std::atomic_ref<uint8_t> immediate_exit(vcpu.run->immediate_exit);
  vcpu.running = true;
  std::optional<int> result;
  while (!result && immediate_exit.load() == 0) {
    if (!launched()) {
      shared_.find(fmt::format("vcpu {}: entered before the launch was finished", id));
      vcpu.run->exit_reason = KVM_EXIT_FAIL_ENTRY;
      result = 0;
    } else if (vcpu.next_step < shared_.scripts[id].size()) {
      result = step(vcpu);
    } else {
      lock.unlock();
      shared_.idle = true;
      shared_.idle.notify_all();
      ::usleep(200);  // "in the guest"
      lock.lock();
    }
  }
  vcpu.running = false;
  return result ? *result : fail_run(vcpu, EINTR);
}

// A step that ends in an exit which waits for an answer stays the current one until complete().
std::optional<int> TeeVm::step(TeeVcpu& vcpu) {
  const GuestStep& current = shared_.scripts[vcpu.id][vcpu.next_step];
  auto result = do_step(vcpu, current);
  bool faulted = result && *result == -EFAULT && current.kind != Kind::exit;
  bool again = vcpu.pending != TeeVcpu::Pending::none || faulted;
  if (!again) {
    ++vcpu.next_step;
    vcpu.progress = 0;
  }
  return result;
}

std::optional<int> TeeVm::do_step(TeeVcpu& vcpu, const GuestStep& step) {
  switch (step.kind) {
    case Kind::touch_private:
    case Kind::write_private:
    case Kind::expect_private:
      return touch(vcpu, step, true);
    case Kind::touch_shared:
    case Kind::write_shared:
    case Kind::expect_shared:
      return touch(vcpu, step, false);
    case Kind::validate:
      return validate(vcpu, step);
    case Kind::map_gpa:
      return map_gpa(vcpu, step);
    case Kind::tdvmcall:
      fill_tdvmcall(vcpu, step);
      vcpu.pending = TeeVcpu::Pending::tdvmcall;
      return 0;
    case Kind::request_certs:
      if (!certs_enabled()) return std::nullopt;  // KVM answers with an empty table by itself
      vcpu.run->exit_reason = vmm::kvm::kExitSnpReqCerts;
      exit_data<vmm::kvm::ExitSnpReqCerts>(*vcpu.run) = {step.gpa, step.size, 0};
      vcpu.pending = TeeVcpu::Pending::certs;
      return 0;
    case Kind::exit:
      return step.exit(*vcpu.run);
  }
  return std::nullopt;
}

std::optional<int> TeeVm::touch(TeeVcpu& vcpu, const GuestStep& step, bool is_private) {
  uint64_t end = step.gpa + std::max<uint64_t>(step.size, 1);
  for (uint64_t at = step.gpa / kPage * kPage; at < end; at += kPage) {
    if (auto result = touch_page(vcpu, at, is_private); result) return result;
  }
  access(step);
  return std::nullopt;
}

std::optional<int> TeeVm::touch_page(TeeVcpu& vcpu, uint64_t gpa, bool is_private) {
  const Slot* slot = memory_.find(gpa);
  bool attribute = memory_.is_private(gpa / kPage);
  if (is_private && private_needs_attribute()) {
    if (!attribute || slot == nullptr || !slot->file) return memory_fault(vcpu, gpa, true);
    if (!validated_.contains(gpa / kPage)) return unvalidated(vcpu, gpa);
    memory_.allocate_private(gpa);
    return std::nullopt;
  }
  if (attribute) return memory_fault(vcpu, gpa, false);
  if (slot == nullptr) {
    shared_.find(fmt::format("vcpu {}: {:#x}: touched where no slot is", vcpu.id, gpa));
    vcpu.run->exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
  }
  return std::nullopt;
}

void TeeVm::access(const GuestStep& step) {
  if (step.kind == Kind::touch_private || step.kind == Kind::touch_shared) return;
  if (step.kind == Kind::write_private) return write_private(step.gpa, step.bytes);
  const Slot* slot = memory_.find(step.gpa);
  uint64_t hva = slot == nullptr ? 0 : slot->hva + (step.gpa - slot->gpa);
  if (step.kind == Kind::write_shared) {
    if (!user_.write(hva, step.bytes.data(), step.bytes.size())) shared_.find("bad slot address");
    return;
  }
  std::vector<uint8_t> seen(step.bytes.size());
  if (step.kind == Kind::expect_private)
    seen = read_private(step.gpa, step.size);
  else if (!user_.read(hva, seen.data(), seen.size()))
    shared_.find("bad slot address");
  if (seen != step.bytes) {
    shared_.find(fmt::format("{:#x}: {} bytes of {} memory are not what the guest expects",
                             step.gpa, step.size,
                             step.kind == Kind::expect_private ? "private" : "shared"));
  }
}

std::vector<uint8_t> TeeVm::read_private(uint64_t gpa, uint64_t size) {
  std::vector<uint8_t> bytes(size);
  for (uint64_t i = 0; i < size; ++i) {
    const Page* page = private_page(gpa + i);
    bytes[i] = page == nullptr ? 0 : (*page)[(gpa + i) % kPage];
  }
  return bytes;
}

void TeeVm::write_private(uint64_t gpa, std::span<const uint8_t> bytes) {
  for (uint64_t i = 0; i < bytes.size(); ++i) {
    contents_[(gpa + i) / kPage][(gpa + i) % kPage] = bytes[i];
  }
}

std::optional<int> TeeVm::validate(TeeVcpu& vcpu, const GuestStep& step) {
  for (; vcpu.progress < step.size; vcpu.progress += kPage) {
    uint64_t gpa = step.gpa + vcpu.progress;
    const Slot* slot = memory_.find(gpa);
    if (!memory_.is_private(gpa / kPage) || slot == nullptr || !slot->file) {
      return memory_fault(vcpu, gpa, true);
    }
    if (validated_.contains(gpa / kPage)) {
      shared_.find(fmt::format("vcpu {}: {:#x}: validated twice", vcpu.id, gpa));
      page_state_refused(vcpu);
      return 0;
    }
    memory_.allocate_private(gpa);
    contents_[gpa / kPage] = Page{};  // what the host had put there does not survive
    validated_.insert(gpa / kPage, 1);
  }
  return std::nullopt;
}

std::optional<int> TeeVm::map_gpa(TeeVcpu& vcpu, const GuestStep& step) {
  if ((exit_hypercall_ >> vmm::kvm::kHypercallMapGpaRange & 1) == 0) {
    shared_.find(
        fmt::format("vcpu {}: {:#x}: page state change refused: KVM_CAP_EXIT_HYPERCALL "
                    "is not enabled",
                    vcpu.id, step.gpa));
    page_state_refused(vcpu);
    return 0;
  }
  uint64_t gpa = step.gpa + vcpu.progress;
  uint64_t size = std::min(step.size - vcpu.progress, max_map_gpa());
  if (!step.flag) {  // the guest gives its pages up first
    validated_.erase(gpa / kPage, size / kPage);
    contents_.erase(contents_.lower_bound(gpa / kPage),
                    contents_.lower_bound((gpa + size) / kPage));
  }
  vcpu.run->exit_reason = KVM_EXIT_HYPERCALL;
  auto& call = vcpu.run->hypercall;
  call.nr = vmm::kvm::kHypercallMapGpaRange;
  call.args[0] = gpa;
  call.args[1] = size / kPage;
  call.args[2] = step.flag ? vmm::kvm::kMapGpaEncrypted : 0;
  call.ret = 0;
  vcpu.pending = TeeVcpu::Pending::map_gpa;
  return 0;
}

int TeeVm::complete_map_gpa(TeeVcpu& vcpu, const GuestStep& step, uint64_t answer) {
  if (answer != 0 && answer != EINVAL && answer != EAGAIN) return -EINVAL;
  if (answer == EAGAIN) return 0;  // the guest asks again
  uint64_t first = (step.gpa + vcpu.progress) / kPage;
  uint64_t count = std::min(step.size - vcpu.progress, max_map_gpa()) / kPage;
  if (answer == EINVAL) {
    shared_.find(
        fmt::format("vcpu {}: {:#x}: the VMM refused a page state change", vcpu.id, first * kPage));
    page_state_refused(vcpu);
    return 0;
  }
  for (uint64_t page = first; private_needs_attribute() && page < first + count; ++page) {
    if (memory_.is_private(page) == step.flag) continue;
    shared_.find(fmt::format("{:#x}: the VMM agreed to make it {}, but did not", page * kPage,
                             step.flag ? "private" : "shared"));
    break;
  }
  vcpu.progress += count * kPage;
  if (vcpu.progress >= step.size) {
    ++vcpu.next_step;
    vcpu.progress = 0;
  }
  return 0;
}

int TeeVm::complete(TeeVcpu& vcpu) {
  auto pending = std::exchange(vcpu.pending, TeeVcpu::Pending::none);
  if (pending == TeeVcpu::Pending::none) return 0;
  const GuestStep& step = shared_.scripts[vcpu.id][vcpu.next_step];
  if (pending == TeeVcpu::Pending::map_gpa) {
    uint64_t answer = vcpu.run->hypercall.ret;
    vcpu.answers.push_back(answer);
    return complete_map_gpa(vcpu, step, answer);
  }
  ++vcpu.next_step;
  if (pending == TeeVcpu::Pending::tdvmcall) {
    vcpu.answers.push_back(exit_data<vmm::kvm::ExitTdx>(*vcpu.run).ret);
    check_tdvmcall(vcpu, step);
    return 0;
  }
  return complete_certs(vcpu, step);
}

// The guest gets what is in its buffer on 0, the number of pages on ENOSPC, "busy" on EAGAIN.
int TeeVm::complete_certs(TeeVcpu& vcpu, const GuestStep& step) {
  const auto answer = exit_data<vmm::kvm::ExitSnpReqCerts>(*vcpu.run);
  vcpu.answers.push_back(answer.ret);
  bool known = answer.ret == 0 || answer.ret == ENOSPC || answer.ret == EAGAIN || answer.ret == EIO;
  if (!known) return -EINVAL;
  if (answer.ret == ENOSPC && answer.npages <= step.size) {
    shared_.find(fmt::format("{:#x}: certificates need {} pages, and {} were offered", step.gpa,
                             answer.npages, step.size));
  }
  if (answer.ret != 0) return 0;
  const Slot* slot = memory_.find(step.gpa);
  uint64_t first_word = 0;
  bool seen = slot != nullptr && !memory_.is_private(step.gpa / kPage) &&
              user_.read(slot->hva + (step.gpa - slot->gpa), first_word);
  if (!seen || first_word == 0) {
    shared_.find(fmt::format("{:#x}: certificates were given, and the guest sees none", step.gpa));
  }
  return 0;
}

}  // namespace bartizan::fakes
