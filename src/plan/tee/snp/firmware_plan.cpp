#include "plan/tee/snp/firmware_plan.hpp"

#include "base/errors.hpp"
#include "base/units.hpp"

namespace bartizan::plan::tee::snp {
namespace {

constexpr const char* kOrigin = "tee/firmware_plan";
constexpr uint32_t kBootAddress = 0xfffffff0;  // where x86 starts after reset
// RDX after reset as KVM sets it for a vCPU whose CPUID was not set yet: what EC2 and GCE leave.
constexpr uint64_t kRdxWithoutCpuid = 0x600;

// Segment attributes that differ: KVM's own reset values lack the accessed bit, and QEMU and GCE
// write it.
struct VmmRegisters {
  uint16_t cs = 0x9b, ss = 0x93, tr = 0x8b;
  uint64_t rdx = 0;
};

VmmRegisters registers_of(const FirmwarePlanOptions& options, uint32_t start) {
  switch (options.vmm) {
    case Vmm::qemu:
      return {.rdx = options.vcpu_signature};
    case Vmm::ec2:
      return {static_cast<uint16_t>(start == kBootAddress ? 0x9a : 0x9b), 0x92, 0x83,
              kRdxWithoutCpuid};
    case Vmm::gce:
      return {.rdx = kRdxWithoutCpuid};
  }
  return {};
}

// Real mode, at the address that firmware gives: the high half is CS's base, the low half RIP.
CpuState cpu_at(uint32_t start, const FirmwarePlanOptions& options) {
  const auto registers = registers_of(options, start);
  CpuState cpu;
  cpu.rip = start & 0xffff;
  cpu.rdx = registers.rdx;
  cpu.cr0 = 0x10;
  cpu.cs = {0xf000, registers.cs, 0xffff, start & 0xffff0000};
  cpu.ds = cpu.es = cpu.fs = cpu.gs = {0, 0x93, 0xffff, 0};
  cpu.ss = {0, registers.ss, 0xffff, 0};
  cpu.ldtr = {0, 0x82, 0xffff, 0};
  cpu.tr = {0, registers.tr, 0xffff, 0};
  cpu.gdtr = cpu.idtr = {0, 0, 0xffff, 0};
  return cpu;
}

Result<void> add_cpus(const Ovmf& ovmf, const FirmwarePlanOptions& options, LaunchPlan* plan) {
  if (options.tee != Tee::sev && !ovmf.reset_address) {
    return make_error(
        ErrorCode::unsupported, kOrigin,
        "firmware metadata has no AP reset address; the image does not support SEV-ES or SNP");
  }
  plan->cpus.push_back(cpu_at(kBootAddress, options));
  plan->cpus.resize(options.vcpus, cpu_at(ovmf.reset_address.value_or(kBootAddress), options));
  return {};
}

PlanItem item(uint64_t address, PageKind kind, std::string what, uint64_t size) {
  return {{address}, kind, std::move(what), size, nullptr};
}

PlanItem with_bytes(PlanItem item, Bytes bytes) {
  item.bytes = std::make_shared<const Bytes>(std::move(bytes));
  return item;
}

// The whole page, with the table at the place in it that the firmware reads.
Result<PlanItem> hash_page(const Ovmf& ovmf, const OvmfSection& section,
                           const KernelHashes& hashes) {
  const auto table = hash_table(hashes);
  uint64_t offset = ovmf.hash_table_address.value_or(0) % kPageSize;
  if (!ovmf.hash_table_address || offset + table.size() > kPageSize) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "firmware: SEV metadata has a page for hashes, but the table gives no place "
                      "within it");
  }
  Bytes page(kPageSize);
  std::copy(table.begin(), table.end(), page.begin() + static_cast<ptrdiff_t>(offset));
  return with_bytes(item(section.address, PageKind::normal, "kernel_hashes", section.size),
                    std::move(page));
}

Result<PlanItem> section_item(const Ovmf& ovmf, const OvmfSection& section,
                              const FirmwarePlanOptions& options) {
  const auto [address, size, kind] = section;
  switch (kind) {
    case OvmfSectionKind::sec_memory:
      return item(address, options.vmm == Vmm::gce ? PageKind::unmeasured : PageKind::zero,
                  "sec_memory", size);
    case OvmfSectionKind::secrets:
      return item(address, PageKind::secrets, "secrets", size);
    case OvmfSectionKind::cpuid:
      return item(address, PageKind::cpuid, "cpuid", size);
    case OvmfSectionKind::kernel_hashes:
      if (options.hashes) return hash_page(ovmf, section, *options.hashes);
      return item(address, PageKind::zero, "kernel_hashes", size);
    case OvmfSectionKind::svsm_caa:
      break;
  }
  return item(address, PageKind::zero, "svsm_caa", size);
}

// In the file's order, but EC2 adds the CPUID page last.
Result<void> add_sections(const Ovmf& ovmf, const FirmwarePlanOptions& options, LaunchPlan* plan) {
  std::vector<PlanItem> last;
  for (const auto& section : ovmf.sections) {
    auto next = TRY(section_item(ovmf, section, options));
    bool later = options.vmm == Vmm::ec2 && section.kind == OvmfSectionKind::cpuid;
    (later ? last : plan->items).push_back(std::move(next));
  }
  plan->items.insert(plan->items.end(), last.begin(), last.end());
  if (!options.hashes || ovmf.has(OvmfSectionKind::kernel_hashes)) return {};
  return make_error(ErrorCode::unsupported, kOrigin,
                    "kernel given, but the firmware's SEV metadata has no page for kernel hashes");
}

Result<void> add_hash_table(const Ovmf& ovmf, const FirmwarePlanOptions& options,
                            LaunchPlan* plan) {
  if (!options.hashes) return {};
  if (!ovmf.hash_table_address) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "kernel given, but the firmware has no place for kernel hashes");
  }
  const auto table = hash_table(*options.hashes);
  plan->items.push_back(
      with_bytes(item(*ovmf.hash_table_address, PageKind::normal, "kernel_hashes", table.size()),
                 Bytes(table.begin(), table.end())));
  return {};
}

}  // namespace

Result<LaunchPlan> firmware_plan(const Ovmf& ovmf, const FirmwarePlanOptions& options) {
  LaunchPlan plan;
  plan.tee = options.tee;
  plan.items.push_back(with_bytes(
      item(ovmf.address(), PageKind::normal, "firmware", ovmf.image.size()), ovmf.image));
  if (options.tee == Tee::snp) {
    plan.guest_policy = kDefaultSnpPolicy;
    TRY(add_sections(ovmf, options, &plan));
  } else {
    TRY(add_hash_table(ovmf, options, &plan));
  }
  TRY(add_cpus(ovmf, options, &plan));
  return plan;
}

VmsaOptions vmsa_options(Vmm vmm, uint64_t sev_features, HostKernel host_kernel) {
  VmsaOptions options{sev_features, host_kernel};
  if (vmm != Vmm::qemu) options.host_kernel = HostKernel::before_6_10;
  if (vmm == Vmm::gce) options.pat = 0x00070106;
  return options;
}

}  // namespace bartizan::plan::tee::snp
