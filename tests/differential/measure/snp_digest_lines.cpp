// Our side of the comparison. Lines on standard input:
//   range KIND ADDRESS SIZE HEX|-      pages of a plan item (numbers in hex)
//   vmsa FEATURES REGISTERS SEGMENTS   one vCPU: 9 registers, then 10 segments of 4 numbers; prints
//   the page end                                prints the digest and starts anew
#include <iostream>
#include <sstream>

#include "tee/snp/digest.hpp"
#include "tee/snp/vmsa.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

void update_range(std::istream& line, tee::snp::LaunchDigest* digest) {
  unsigned kind;
  uint64_t address, size;
  std::string content;
  line >> kind >> address >> size >> content;
  Bytes bytes = content == "-" ? Bytes() : from_hex(content).value();
  digest->update_range(static_cast<tee::PageKind>(kind), address, size, bytes);
}

tee::CpuState read_cpu(std::istream& line) {
  tee::CpuState cpu;
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

void update_vmsa(std::istream& line, tee::snp::LaunchDigest* digest) {
  uint64_t features;
  line >> features;
  auto page = tee::snp::vmsa_page(read_cpu(line), features);
  digest->update(tee::PageKind::vmsa, tee::snp::kVmsaAddress, page);
  std::cout << to_hex(page) << "\n";
}

}  // namespace

int main() {
  tee::snp::LaunchDigest digest;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string verb;
    line >> verb >> std::hex;
    if (verb == "range") update_range(line, &digest);
    if (verb == "vmsa") update_vmsa(line, &digest);
    if (verb == "end") {
      std::cout << to_hex(digest.value()) << "\n";
      digest = {};
    }
    if (!line) return 2;
  }
  return 0;
}
