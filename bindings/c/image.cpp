// Confidential images.
#include "bartizan/image.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

namespace {

bz::Result<void> fill_names(const bartizan_build_options& from, bz::BuildOptions& to) {
  TRY(require(from.source, "source"));
  TRY(require(from.output, "output"));
  TRY(check_flags(
      from.flags,
      BARTIZAN_BUILD_NO_NETWORK | BARTIZAN_BUILD_REPRODUCIBLE | BARTIZAN_BUILD_ANONYMOUS, "flags"));
  to.source = from.source;
  to.reference = text(from.reference);
  to.output = from.output;
  if (from.output_reference && *from.output_reference) to.output_reference = from.output_reference;
  to.workload_id = text(from.workload_id);
  to.broker_url = text(from.broker_url);
  to.broker_ca_pem = text(from.broker_ca_pem);
  to.resource = text(from.resource);
  to.base_image = text(from.base_image);
  to.base_reference = text(from.base_reference);
  return {};
}

bz::Result<bz::BuildOptions> build_options(const bartizan_build_options* from) {
  auto options = TRY(options_of(from, "bartizan_build_options"));
  bz::BuildOptions to;
  TRY(fill_names(options, to));
  if (options.vcpus) to.vcpus = options.vcpus;
  if (options.ram_mib) to.ram_mib = options.ram_mib;
  to.network = !(options.flags & BARTIZAN_BUILD_NO_NETWORK);
  to.reproducible = options.flags & BARTIZAN_BUILD_REPRODUCIBLE;
  to.anonymous = options.flags & BARTIZAN_BUILD_ANONYMOUS;
  if (options.created) to.created = options.created;
  to.disk_key = TRY(secret_of(options.disk_key, "disk_key"));
  to.recovery_passphrase = TRY(secret_of(options.recovery_passphrase, "recovery_passphrase"));
  to.scratch_bytes = options.scratch_bytes;
  to.progress = progress_sink(options.progress, options.progress_user);
  return to;
}

}  // namespace

extern "C" {

int32_t bartizan_image_build(const bartizan_build_options* options, bartizan_string** json,
                             bartizan_secret** disk_key, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!options) return missing("options");
    if (!json) return missing("json");
    auto build = TRY(build_options(options));
    if (!build.disk_key && !disk_key) return missing("disk_key");
    auto report = TRY(bz::build_image(build));
    auto text = std::make_unique<bartizan_string>(bz::view::to_text(bz::view::to_json(report)));
    if (disk_key) *disk_key = new bartizan_secret{std::move(report.disk_key)};
    *json = text.release();
    return {};
  });
}

int32_t bartizan_image_inspect(const char* image, const char* reference, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(image, "image"));
    return give_json(bz::inspect_image(image, text(reference)), json);
  });
}

int32_t bartizan_image_diff(const char* a, const char* b, bartizan_string** json,
                            bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(a, "a"));
    TRY(require(b, "b"));
    return give_json(bz::diff_images(a, b), json);
  });
}

int32_t bartizan_image_verify(const char* image, const uint8_t* disk_key, size_t disk_key_size,
                              bartizan_progress_fn progress, void* progress_user,
                              bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    TRY(require(image, "image"));
    auto key = TRY(secret_of({disk_key, disk_key_size}, "disk_key"));
    return bz::verify_image(image, key, progress_sink(progress, progress_user));
  });
}

}  // extern "C"
