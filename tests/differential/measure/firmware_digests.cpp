// Our side of the grid: a line of tab-separated fields on standard input
//   TEE OVMF KERNEL INITRD APPEND VCPUS SIGNATURE FEATURES VMM HOST_KERNEL OVMF_DIGEST
// is a launch of a firmware (empty: not given; numbers in hex); its digest, or the error's code, is
// a line of the answer.
#include <iostream>
#include <vector>

#include "bartizan/tee.hpp"
#include "base/bytes.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == '\t') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

uint64_t number(const std::string& text) {
  return text.empty() ? 0 : std::stoull(text, nullptr, 16);
}

Result<std::vector<Measurement>> answer(const std::vector<std::string>& field) {
  MeasureOptions options;
  options.launch.tee = tee_from_string(field[0]).value();
  options.launch.vcpus = static_cast<uint32_t>(number(field[5]));
  if (!field[6].empty()) options.vcpu_signatures = {static_cast<uint32_t>(number(field[6]))};
  options.guest_features = number(field[7]);
  options.host_kernels = {host_kernel_from_string(field[9]).value()};
  options.firmware = {field[1],
                      field[2],
                      field[3],
                      field[4],
                      vmm_from_string(field[8]).value(),
                      from_hex(field[10]).value()};
  return measure_set(options);
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    auto set = answer(fields_of(line));
    std::cout << (set.ok() ? to_hex(set->at(0).digest) : std::string(to_string(set.error().code)))
              << "\n";
  }
  return 0;
}
