// Trusted execution environments: which there are, what this host can do, and what a launch will measure.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bartizan/result.hpp"

namespace bartizan {

// Frozen numbers, the same in C. `none` protects nothing and attests nothing. `simulated` runs the guest's real SEV
// code on any KVM host, attests with a throw-away key chain, and protects nothing either.
enum class Tee : int32_t { none = 0, simulated = 1, sev = 2, sev_es = 3, snp = 4, tdx = 5 };

std::string_view to_string(Tee tee);             // "none", "simulated", "sev", "sev-es", "snp", "tdx"
Result<Tee> tee_from_string(std::string_view name);  // invalid_argument names the choices

// Can this host run that TEE, and if not, what is missing and what to do about it.
struct TeeProbe {
  Tee tee = Tee::none;
  bool available = false;
  std::string missing;  // one line, empty when available
  std::string advice;   // one line, the next step to take
};

struct HostProbe {
  bool kvm_usable = false;         // the KVM device opens and has API version 12
  bool runs_stock_kernels = false;  // a tiny probe guest in long mode finished within its time limit
  std::string kvm_missing;         // one line when either is false
  std::string kvm_advice;
  std::vector<TeeProbe> tees;      // one for each Tee, in the order of the enum
};

struct ProbeOptions {
  std::filesystem::path kvm_device = "/dev/kvm";
  uint32_t guest_time_limit_ms = 2000;  // for the probe guest: a back end that emulates long mode is found out by it
};

// Never fails because something is missing: that is the answer. Fails only for an invalid argument.
Result<HostProbe> probe(const ProbeOptions& options = {});

// What goes into a launch measurement. The same value is launched by a Context: the two cannot disagree.
struct LaunchOptions {
  Tee tee = Tee::simulated;
  std::filesystem::path bundle;  // folder made by `bartizan bundle create`; empty: default_bundle_path()
  uint32_t vcpus = 1;
  uint32_t ram_mib = 512;
  std::string extra_command_line;  // appended to the bundle's own; measured
};

struct MeasuredPage {
  uint64_t guest_address = 0;  // bytes, 4096-aligned
  std::string kind;            // "normal", "zero", "vmsa", …
  std::string what;            // "kernel", "acpi", "boot_params", …
  uint64_t count = 1;          // pages of 4096 bytes
};

struct Measurement {
  Tee tee = Tee::none;
  std::vector<uint8_t> digest;  // 48 bytes for simulated, snp and tdx; 32 for sev and sev-es; empty for none
  std::vector<MeasuredPage> pages;
  uint64_t page_count = 0;
};

// Pure: needs no KVM and no privileges. Errors: not_found (bundle), corrupt (bundle), invalid_argument, unsupported.
Result<Measurement> measure(const LaunchOptions& options);

}  // namespace bartizan
