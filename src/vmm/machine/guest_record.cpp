#include "vmm/machine/guest_record.hpp"

#include <fmt/format.h>

#include "vmm/machine/refusal.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr std::string_view kFailed = "FAILED ";
constexpr std::string_view kPanic = "Kernel panic";

}  // namespace

GuestRecord::Mark GuestRecord::mark_now() const {
  std::chrono::duration<double, std::milli> passed = Clock::now() - start_;
  return {true, passed.count(), exits_.total()};
}

void GuestRecord::launched() {
  MutexLock lock(mutex_);
  marks_[0] = mark_now();
}

void GuestRecord::stage(uint32_t number) {
  MutexLock lock(mutex_);
  if (number > guest_abi::kStageCount || marks_[number].reached) return;
  marks_[number] = mark_now();
  last_stage_ = number;
  if (number == static_cast<uint32_t>(guest_abi::BootStage::pid1)) pid1_exits_ = exits_.by_cause();
  if (number == static_cast<uint32_t>(guest_abi::BootStage::workload))
    workload_exits_ = exits_.by_cause();
}

void GuestRecord::exit_report(uint32_t kind, uint32_t value) {
  MutexLock lock(mutex_);
  if (!report_) report_ = {kind, value};
}

void GuestRecord::log_line(std::string_view line) {
  MutexLock lock(mutex_);
  if (size_t at = line.find(kFailed); at != line.npos && failure_.empty()) {
    failure_ = line.substr(at + kFailed.size());
  }
  if (size_t at = line.find(kPanic); at != line.npos && panic_.empty()) panic_ = line.substr(at);
}

bool GuestRecord::end(const vcpu::End& end) {
  MutexLock lock(mutex_);
  if (end_) return false;
  end_ = end;
  return true;
}

bool GuestRecord::reported() const {
  MutexLock lock(mutex_);
  return report_.has_value();
}

uint32_t GuestRecord::last_stage() const {
  MutexLock lock(mutex_);
  return last_stage_;
}

ExitReason GuestRecord::reported_reason() const {
  auto [kind, value] = *report_;
  auto number = static_cast<int32_t>(value);
  switch (kind) {
    case static_cast<uint32_t>(ExitKind::exit_code):
      return {ExitKind::exit_code, number & 0xff, "", ""};
    case static_cast<uint32_t>(ExitKind::signal):
      return {ExitKind::signal, number & 0x7f, "", ""};
    case static_cast<uint32_t>(ExitKind::guest_failure):
      if (auto refusal = refusal_of_report(value)) return refused(*refusal);
      return failed(value);
    default:
      return {ExitKind::crash, 0, "", fmt::format("exit report of unknown kind {}", kind)};
  }
}

ExitReason GuestRecord::failed(uint32_t value) const {
  const uint32_t stage = value & 0xff, status = value >> guest_abi::kFailureStatusShift & 0xff;
  const bool entry_point = stage == static_cast<uint32_t>(guest_abi::BootStage::workload);
  return {ExitKind::guest_failure,
          static_cast<int32_t>(entry_point && status != 0 ? status : stage),
          std::string(guest_abi::stage_name(stage)), failure_};
}

ExitReason GuestRecord::refused(uint32_t number) {
  return {ExitKind::guest_failure, 0, std::string(guest_abi::stage_name(0)), refusal_text(number)};
}

// Linux with reboot=t ends a panic by a triple fault; its last log lines explain more than that.
ExitReason GuestRecord::unreported_reason() const {
  if (auto refusal = refusal_of_end(*end_)) return refused(*refusal);
  std::string where(guest_abi::stage_name(last_stage_));
  switch (end_->kind) {
    case vcpu::End::Kind::stopped:
      return {ExitKind::stopped, 0, where, ""};
    case vcpu::End::Kind::shutdown:
      return {ExitKind::shutdown, 0, where, ""};
    case vcpu::End::Kind::reset:
      return {ExitKind::reset, 0, where, ""};
    default:
      return {ExitKind::crash, 0, where, panic_.empty() ? end_->detail : panic_};
  }
}

ExitReason GuestRecord::reason() const {
  MutexLock lock(mutex_);
  return report_ ? reported_reason() : unreported_reason();
}

void GuestRecord::fill(MachineStats& stats) const {
  MutexLock lock(mutex_);
  for (uint32_t number = 0; number <= guest_abi::kStageCount; ++number) {
    const Mark& mark = marks_[number];
    if (!mark.reached) continue;
    stats.stages.push_back(
        {std::string(guest_abi::stage_name(number)), mark.milliseconds, mark.exits});
  }
  stats.exits = exits_.total();
  stats.exits_by_kind = exits_.by_cause();
  stats.pid1_exits_by_kind = pid1_exits_;
  stats.workload_exits_by_kind = workload_exits_;
  stats.exits_to_pid1 = marks_[static_cast<size_t>(guest_abi::BootStage::pid1)].exits;
  stats.exits_to_workload = marks_[static_cast<size_t>(guest_abi::BootStage::workload)].exits;
}

}  // namespace bartizan::vmm::machine
