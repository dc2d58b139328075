// A container's config.json, whose annotations an image may have written, and the smaller texts that
// bartizan-runtime reads: its own settings, a loader's list of libraries. What is rewritten is our
// launcher, in the same root folder, and is not taken for an engine's file.
#include <cstdlib>

#include "runtime/launcher.hpp"
#include "runtime/refusals.hpp"
#include "runtime/rewrite.hpp"
#include "runtime/settings.hpp"

using namespace bartizan;           // NOLINT
using namespace bartizan::runtime;  // NOLINT

static Launch launch_of(const Json& config) {
  Launch launch;
  launch.files = {{"/usr/bin/bartizan", std::string(kProgram)}};
  launch.bundle = "/bundle";
  launch.devices = {{"/dev/kvm", 10, 232}};
  launch.keep_groups = true;
  const Settings all{"", "", {}, {"tee", "log", "bundle", "key-file", "allow"}};
  auto wishes = parse_wishes(config, all);
  if (wishes.ok()) launch.wishes = *std::move(wishes);
  return launch;
}

static void rewrite(const Json& config) {
  (void)check_container(config, 512);
  auto rewritten = rewrite_config(config, launch_of(config));
  if (!rewritten.ok()) return;
  if (!is_rewritten(*rewritten)) std::abort();
  auto before = root_of(config, "/b"), after = root_of(*rewritten, "/b");
  if (before.ok() != after.ok() || (before.ok() && *before != *after)) std::abort();
  if (!parse_json(rewritten->dump(), "rewritten").ok()) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_settings(text);
  auto files = parse_library_list(text);
  if (files.ok() && files->size() > kMaxLibraries) std::abort();
  auto config = parse_json(text, "config.json");
  if (config.ok()) rewrite(*config);
  return 0;
}
