// What the guest reads out of an image before the workload starts: its config, its accounts, and
// the kernel's events. One input is all of them in turn.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.hpp"
#include "guest/init/storage/storage.hpp"
#include "guest/init/system/command_line.hpp"
#include "guest/init/system/modules.hpp"
#include "guest/init/workload/listening_ports.hpp"
#include "guest/init/workload/process_config.hpp"
#include "guest_abi/boot_stages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;
  std::string_view text = as_text({data, size});
  if (auto config = guest::init::workload::parse_process_config(text); config.ok()) {
    // What the rest of init relies on.
    if (config->arguments.empty() || config->working_directory[0] != '/') std::abort();
    if (config->stop_signal < 1 || config->stop_signal > 64) std::abort();
    for (const auto& word : guest::init::workload::complete_environment(*config, "/")) {
      if (word.find('=') == std::string::npos) std::abort();
    }
  }
  // A name that is in no file must never turn into a user: least of all root.
  if (auto who = guest::init::workload::resolve_user("nobody-has-this-name", text, text);
      who.ok()) {
    if (text.find("nobody-has-this-name") == std::string_view::npos) std::abort();
  }
  (void)guest::init::workload::resolve_user(text, "web:x:101:102::/srv:/bin/sh\n",
                                            "www:x:102:web\n")
      .ok();
  (void)guest::init::storage::corrupt_block_of_event(text);
  if (guest::init::workload::listening_ports(text).size() > guest_abi::kMaxListeningPorts)
    std::abort();
  if (auto line = guest::init::system::parse_command_line(text); line.ok()) {
    if (text.find("bartizan.tee=") == std::string_view::npos) std::abort();
    if (line->key_from_caller && text.find("bartizan.key=caller") == std::string_view::npos)
      std::abort();
  }
  if (auto paths = guest::init::system::parse_module_order(text, "/modules"); paths.ok()) {
    for (const auto& path : *paths) {
      if (path.find('/', sizeof "/modules/" - 1) != std::string::npos) std::abort();
    }
  }
  return 0;
}
