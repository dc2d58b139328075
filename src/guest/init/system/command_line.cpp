#include "guest/init/system/command_line.hpp"

#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::system {

CommandLine parse_command_line(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  CommandLine result;
  for (;;) {
    size_t start = text.find_first_not_of(kSpace);
    if (start == std::string_view::npos) return result;
    text.remove_prefix(start);
    std::string_view word = text.substr(0, text.find_first_of(kSpace));
    if (word == guest_abi::kKeyFromCaller) result.key_from_caller = true;
    text.remove_prefix(word.size());
  }
}

}  // namespace bartizan::guest::init::system
