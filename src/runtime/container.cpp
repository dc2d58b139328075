#include "runtime/container.hpp"

#include <sys/stat.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "plan/bundle/guest_tees.hpp"
#include "runtime/choices.hpp"
#include "runtime/host.hpp"
#include "runtime/kernel_settings.hpp"
#include "runtime/launcher.hpp"
#include "runtime/programs.hpp"
#include "runtime/refusals.hpp"
#include "runtime/rewrite.hpp"
#include "runtime/root_files.hpp"
#include "runtime/stock_annotations.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "runtime";
constexpr char kConfig[] = "config.json";

fs::path original_of(const fs::path& config) {
  return config.string() + kOriginalSuffix;
}

Result<Json> read_config(const fs::path& path) {
  const Bytes text = TRY(read_regular_file(path, kMaxConfigBytes));
  return parse_json(as_text(text), path.string());
}

// Of the engine: a bundle that was started before has ours, and the engine's beside it.
Result<Json> read_engines_config(const fs::path& path) {
  Json config = TRY(read_config(path));
  if (!is_rewritten(config)) return config;
  auto original = read_config(original_of(path));
  if (original.ok() && !is_rewritten(*original)) return original;
  return make_error(ErrorCode::corrupt, kOrigin,
                    "{}: rewritten before, and {} is not the engine's: let the engine make the "
                    "bundle again",
                    path.string(), original_of(path).filename().string());
}

Result<fs::path> absolute(const fs::path& path, const char* what) {
  std::error_code error;
  fs::path full = fs::canonical(path, error);
  if (!error) return full;
  return errno_error(error.value(), kOrigin, fmt::format("{} {}", what, path.string()));
}

// The launcher would wait for whoever writes to a FIFO.
Result<fs::path> regular_file(const fs::path& path, const char* what) {
  const fs::path full = TRY(absolute(path, what));
  std::error_code error;
  if (fs::is_regular_file(full, error)) return full;
  return invalid(kOrigin, "{} {}: not a regular file", what, path.string());
}

// Its kernel must be able to be a guest of that TEE: nobody looks at a VM that starts and ends.
Result<fs::path> find_bundle(const Wishes& wishes, const Settings& settings, Tee tee) {
  const fs::path path = bundle_of(wishes, settings);
  auto text = read_regular_file(path / "bundle.json", plan::bundle::kMaxBundleJson);
  if (!text.ok() && text.error().code == ErrorCode::not_found)
    return make_error(ErrorCode::not_found, kOrigin, "guest bundle {}: no bundle.json in it: {}",
                      path.string(), bundle_advice(path));
  const Bytes bytes = TRY(std::move(text));
  BundleInfo info = TRY(plan::bundle::parse_bundle_json(as_text(bytes)));
  info.path = path;
  TRY(plan::bundle::check_guest_of(info, tee));
  return absolute(path, "guest bundle");
}

Result<Launch> plan_launch(const Json& config, ImageFacts image, const Settings& settings) {
  Launch launch;
  launch.wishes = TRY(parse_wishes(config, settings));
  TRY(check_container(config, image.ram_mib));
  launch.tee = TRY(choose_tee(image, launch.wishes, settings));
  TRY(check_key(image, launch.wishes));
  TRY(check_broker(image, launch.wishes));
  if (!launch.wishes.key_file.empty())
    launch.wishes.key_file = TRY(regular_file(launch.wishes.key_file, "key file"));
  launch.bundle = TRY(find_bundle(launch.wishes, settings, launch.tee));
  launch.devices = TRY(devices_of(launch.tee));
  launch.files = TRY(launcher_files());
  TRY(check_host_tee(launch.tee));
  launch.keep_groups = in_user_namespace();
  launch.image = std::move(image);
  return launch;
}

// Both files appear whole or not at all, the engine's first.
Result<void> store(const fs::path& path, const Json& original, const Json& rewritten) {
  TRY(write_file(original_of(path), as_bytes(original.dump()), 0600));
  return write_file(path, as_bytes(rewritten.dump()), 0600);
}

Result<fs::path> config_path(const RuntimeCommand& command) {
  const fs::path bundle =
      TRY(absolute(command.bundle.empty() ? "." : command.bundle, "bundle of the container"));
  return bundle / (command.config.empty() ? kConfig : command.config);
}

}  // namespace

Result<std::vector<std::string>> prepare_container(const RuntimeCommand& command,
                                                   const Settings& settings) {
  const fs::path path = TRY(config_path(command));
  const Json config = TRY(read_engines_config(path));
  auto image =
      TRY(read_image_facts(TRY(RootFiles::open(TRY(root_of(config, path.parent_path()))))));
  std::vector<std::string> remarks;
  if (!image) return remarks;
  const Launch launch = TRY(plan_launch(config, *std::move(image), settings));
  TRY(store(path, config, TRY(rewrite_config(config, launch))));
  remarks = annotation_remarks(config);
  for (std::string& remark : kernel_remarks(config)) remarks.push_back(std::move(remark));
  return remarks;
}

Result<void> check_entering(const RuntimeCommand& command, const fs::path& stock_runtime) {
  std::vector<std::string> words = {stock_runtime.string()};
  words.insert(words.end(), command.global.begin(), command.global.end());
  words.insert(words.end(), {"state", command.id});
  auto state = output_of(words, Environment::own);
  if (!state.ok()) return {};  // the stock runtime says what is wrong
  const Json json = TRY(parse_json(*state, "state of the container"));
  const fs::path bundle = TRY(json_string(json, "bundle", "state of the container"));
  auto config = read_config(bundle / kConfig);
  if (config.ok() && !is_rewritten(*config)) return {};
  return make_error(ErrorCode::permission_denied, kOrigin,
                    "container {} is a confidential VM: the host runs no command in it and takes "
                    "no copy of it; what is needed inside belongs in the image",
                    command.id);
}

}  // namespace bartizan::runtime
