#include "runtime/choices.hpp"

#include "bartizan/machine.hpp"
#include "base/errors.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";
constexpr char kScratch[] = "/.bartizan-scratch";

bool is_read_only(const Json& config) {
  auto root = config.find("root");
  return root != config.end() && root->is_object() && root->value("readonly", Json()) == true;
}

}  // namespace

Result<void> check_key(const ImageFacts& image, const Wishes& wishes) {
  if (!image.manifest.broker && wishes.key_file.empty())
    return invalid(kOrigin,
                   "the image names no broker, so its key has to be given: build it with `--broker "
                   "URL`, or for development `--annotation org.bartizan.key-file=FILE`");
  if (image.manifest.broker && !wishes.key_file.empty())
    return invalid(kOrigin,
                   "annotation org.bartizan.key-file: the image gets its key by attestation from "
                   "{}, and from nobody else: leave the annotation out",
                   image.manifest.broker->url);
  return {};
}

Result<void> check_broker(const ImageFacts& image, const Wishes& wishes) {
  if (wishes.broker.empty() || image.manifest.host.broker) return {};
  return invalid(
      kOrigin,
      "annotation org.bartizan.broker: the image lets no host choose its broker's address: "
      "leave the annotation out, or build the image with `--host-may broker`");
}

Result<Tee> choose_tee(const ImageFacts& image, const Wishes& wishes, const Settings& settings) {
  const Tee tee = wishes.tee.value_or(settings.tee.value_or(image.tee));
  if (tee != Tee::none || !image.manifest.broker) return tee;
  return invalid(kOrigin,
                 "TEE none: the image gets its key by attestation, and without a TEE there is no "
                 "evidence: leave annotation org.bartizan.tee out");
}

std::filesystem::path bundle_of(const Wishes& wishes, const Settings& settings) {
  if (!wishes.bundle.empty()) return wishes.bundle;
  return settings.bundle.empty() ? default_bundle_path() : settings.bundle;
}

std::filesystem::path scratch_of(const ImageFacts& image, const Json& config) {
  const bool some = image.manifest.scratch_bytes != 0 && !is_read_only(config);
  return some ? kScratch : "";
}

}  // namespace bartizan::runtime
