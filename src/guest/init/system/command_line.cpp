#include "guest/init/system/command_line.hpp"

#include <optional>
#include <string>

#include "base/errors.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::system {
namespace {

Error bad_tee(std::string got) {
  return refused("guest/init/system/command_line", "tee",
                 std::string(guest_abi::kTeeWord) + "NAME, once", std::move(got),
                 "the measured command line must name the TEE of this launch");
}

Result<void> take_word(std::string_view word, CommandLine& into, std::optional<Tee>& tee) {
  if (word == guest_abi::kKeyFromCaller) into.key_from_caller = true;
  if (!word.starts_with(guest_abi::kTeeWord)) return {};
  auto named = tee_from_string(word.substr(guest_abi::kTeeWord.size()));
  if (tee || !named.ok()) return bad_tee(std::string(word) + (tee ? ", the second one" : ""));
  tee = *named;
  return {};
}

}  // namespace

Result<CommandLine> parse_command_line(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  CommandLine result;
  std::optional<Tee> tee;
  for (;;) {
    size_t start = text.find_first_not_of(kSpace);
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    std::string_view word = text.substr(0, text.find_first_of(kSpace));
    TRY(take_word(word, result, tee));
    text.remove_prefix(word.size());
  }
  if (!tee) return bad_tee("none");
  result.tee = *tee;
  return result;
}

}  // namespace bartizan::guest::init::system
