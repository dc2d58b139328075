// Our side of the comparison. Lines on standard input:
//   range KIND ADDRESS SIZE HEX|-      pages of a plan item (numbers in hex)
//   vmsa FEATURES REGISTERS SEGMENTS   one vCPU: 9 registers, then 10 segments of 4 numbers; prints
//   the page
//   end                                prints the SNP digest and starts anew
//   end-sev, end-tdx                   the same for the digests of SEV and TDX
#include <iostream>
#include <sstream>

#include "plan/tee/sev/digest.hpp"
#include "plan/tee/snp/digest.hpp"
#include "plan/tee/snp/vmsa.hpp"
#include "plan/tee/tdx/digest.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

// One list, measured in three ways.
struct Digests {
  plan::tee::snp::LaunchDigest snp;
  plan::tee::sev::LaunchDigest sev;
  plan::tee::tdx::Mrtd tdx;
};

void update_range(std::istream& line, Digests* digests) {
  unsigned kind;
  uint64_t address, size;
  std::string content;
  line >> kind >> address >> size >> content;
  Bytes bytes = content == "-" ? Bytes() : from_hex(content).value();
  plan::tee::PlanItem item{{address}, static_cast<plan::tee::PageKind>(kind), "", size, nullptr};
  item.bytes = std::make_shared<const Bytes>(std::move(bytes));
  digests->snp.update_item(item);
  digests->sev.update_item(item);
  digests->tdx.update_item(item);
}

plan::tee::CpuState read_cpu(std::istream& line) {
  plan::tee::CpuState cpu;
  for (auto* field : {&cpu.rip, &cpu.rsp, &cpu.rbp, &cpu.rsi, &cpu.rflags, &cpu.cr0, &cpu.cr3,
                      &cpu.cr4, &cpu.efer}) {
    line >> *field;
  }
  for (auto* segment : {&cpu.es, &cpu.cs, &cpu.ss, &cpu.ds, &cpu.fs, &cpu.gs, &cpu.gdtr, &cpu.ldtr,
                        &cpu.idtr, &cpu.tr}) {
    line >> segment->selector >> segment->attributes >> segment->limit >> segment->base;
  }
  return cpu;
}

void update_vmsa(std::istream& line, plan::tee::snp::LaunchDigest* digest) {
  uint64_t features;
  line >> features;
  auto page = plan::tee::snp::vmsa_page(read_cpu(line), features);
  digest->update(plan::tee::PageKind::vmsa, plan::tee::snp::kVmsaAddress, page);
  std::cout << to_hex(page) << "\n";
}

std::string end(const std::string& verb, Digests* digests) {
  auto done = std::exchange(*digests, {});
  if (verb == "end-sev") return to_hex(done.sev.finish());
  if (verb == "end-tdx") return to_hex(done.tdx.finish());
  return to_hex(done.snp.value());
}

}  // namespace

int main() {
  Digests digests;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string verb;
    line >> verb >> std::hex;
    if (verb == "range") update_range(line, &digests);
    if (verb == "vmsa") update_vmsa(line, &digests.snp);
    if (verb.starts_with("end")) std::cout << end(verb, &digests) << "\n";
    if (!line) return 2;
  }
  return 0;
}
