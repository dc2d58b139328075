// TEEs and guest bundles.
#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of these two nouns
namespace bz = bartizan;

namespace {

bz::Result<bz::LaunchOptions> launch_options(const bartizan_launch_options* from) {
  auto options = options_of(from, "bartizan_launch_options");
  BARTIZAN_C_CHECK(options);
  auto tee = tee_of(options->tee);
  BARTIZAN_C_CHECK(tee);
  bz::LaunchOptions to;
  to.tee = *tee;
  to.bundle = text(options->bundle);
  if (options->vcpus) to.vcpus = options->vcpus;
  if (options->ram_mib) to.ram_mib = options->ram_mib;
  to.extra_command_line = text(options->extra_command_line);
  return to;
}

bz::Result<bz::BundleOptions> bundle_options(const bartizan_bundle_options* from) {
  auto options = options_of(from, "bartizan_bundle_options");
  BARTIZAN_C_CHECK(options);
  bz::BundleOptions to;
  to.kernel = text(options->kernel);
  to.modules = text(options->modules);
  to.init = text(options->init);
  to.output = text(options->output);
  to.extra_command_line = text(options->extra_command_line);
  to.progress = progress_sink(options->progress, options->progress_user);
  return to;
}

}  // namespace

extern "C" {

const char* bartizan_tee_name(int32_t tee) {
  return bz::to_string(static_cast<bz::Tee>(tee)).data();
}

int32_t bartizan_tee_from_name(const char* name, int32_t* tee, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!name) return missing("name");
    if (!tee) return missing("tee");
    auto found = bz::tee_from_string(name);
    BARTIZAN_C_CHECK(found);
    *tee = static_cast<int32_t>(*found);
    return {};
  });
}

int32_t bartizan_probe(const bartizan_probe_options* options, bartizan_string** json,
                       bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto copy = options_of(options, "bartizan_probe_options");
    BARTIZAN_C_CHECK(copy);
    bz::ProbeOptions to;
    if (copy->kvm_device && *copy->kvm_device) to.kvm_device = copy->kvm_device;
    if (copy->guest_time_limit_ms) to.guest_time_limit_ms = copy->guest_time_limit_ms;
    return give_json(bz::probe(to), json);
  });
}

int32_t bartizan_measure(const bartizan_launch_options* options, bartizan_string** json,
                         bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto launch = launch_options(options);
    BARTIZAN_C_CHECK(launch);
    return give_json(bz::measure(*launch), json);
  });
}

int32_t bartizan_bundle_create(const bartizan_bundle_options* options, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto bundle = bundle_options(options);
    BARTIZAN_C_CHECK(bundle);
    return give_json(bz::create_bundle(*bundle), json);
  });
}

int32_t bartizan_bundle_read(const char* path, bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    return give_json(bz::read_bundle(path && *path ? path : bz::default_bundle_path()), json);
  });
}

int32_t bartizan_bundle_default_path(bartizan_string** path, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!path) return missing("path");
    *path = new bartizan_string{bz::default_bundle_path().string()};
    return {};
  });
}

}  // extern "C"
