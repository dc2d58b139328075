#include "guest/init/system/processor.hpp"

#include <algorithm>
#include <string>

#include "base/errors.hpp"

namespace bartizan::guest::init::system {
namespace {

constexpr std::string_view kNeeded[] = {"aes", "rdrand"};

bool has_word(std::string_view line, std::string_view wanted) {
  constexpr std::string_view kSpace = " \t";
  for (;;) {
    size_t start = line.find_first_not_of(kSpace);
    if (start == line.npos) return false;
    line.remove_prefix(start);
    std::string_view word = line.substr(0, line.find_first_of(kSpace));
    if (word == wanted) return true;
    line.remove_prefix(word.size());
  }
}

Result<void> check_flags(std::string_view flags) {
  for (std::string_view flag : kNeeded) {
    if (has_word(flags, flag)) continue;
    return refused("guest/init/system/processor", "cpuid", std::string(flag), "absent",
                   "the host shows a processor without {}, on which the guest's secrets lean",
                   flag);
  }
  return {};
}

}  // namespace

Result<void> check_processor(Tee tee, std::string_view cpuinfo) {
  if (tee == Tee::none) return {};
  size_t processors = 0;
  while (!cpuinfo.empty()) {
    std::string_view line = cpuinfo.substr(0, cpuinfo.find('\n'));
    cpuinfo.remove_prefix(std::min(line.size() + 1, cpuinfo.size()));
    if (!line.starts_with("flags")) continue;
    TRY(check_flags(line.substr(line.find(':') + 1)));
    ++processors;
  }
  return processors == 0 ? check_flags("") : Result<void>();
}

}  // namespace bartizan::guest::init::system
