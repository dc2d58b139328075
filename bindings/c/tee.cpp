// TEEs, and reading guest bundles.
#include "c/bundle_handle.hpp"
#include "c/options.hpp"

namespace bartizan::c {

Result<void> finish(const bartizan_measure_options& from, MeasureOptions& to) {
  if (from.host_kernels == 0) return {};
  to.host_kernels.clear();
  if (from.host_kernels & BARTIZAN_HOST_KERNEL_SINCE_6_10)
    to.host_kernels.push_back(HostKernel::since_6_10);
  if (from.host_kernels & BARTIZAN_HOST_KERNEL_BEFORE_6_10)
    to.host_kernels.push_back(HostKernel::before_6_10);
  return {};
}

}  // namespace bartizan::c

using namespace bartizan::c;  // NOLINT: this file is the C ABI of these two nouns
namespace bz = bartizan;

extern "C" {

const char* bartizan_tee_name(int32_t tee) {
  return bz::to_string(static_cast<bz::Tee>(tee)).data();
}

int32_t bartizan_tee_from_name(const char* name, int32_t* tee, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!name) return missing("name");
    if (!tee) return missing("tee");
    auto found = TRY(bz::tee_from_string(name));
    *tee = static_cast<int32_t>(found);
    return {};
  });
}

int32_t bartizan_probe(const bartizan_probe_options* options, bartizan_string** json,
                       bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    return give_json(bz::probe(to), json);
  });
}

int32_t bartizan_measure(const bartizan_launch_options* options, bartizan_string** json,
                         bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    return give_json(bz::measure(to), json);
  });
}

int32_t bartizan_measure_set(const bartizan_measure_options* options, bartizan_string** json,
                             bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    return give_json(bz::measure_set(to), json);
  });
}

int32_t bartizan_id_block_make(const bartizan_id_block_options* options, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    return give_json(bz::make_id_block(to), json);
  });
}

int32_t bartizan_bundle_read(const char* path, bartizan_string** json, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    return give_json(bz::read_bundle(path && *path ? path : bz::default_bundle_path()), json);
  });
}

int32_t bartizan_bundle_load(const char* path, bartizan_bundle** bundle, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!bundle) return missing("bundle");
    auto loaded = TRY(bz::LoadedBundle::load(text(path)));
    *bundle = new bartizan_bundle{std::move(loaded)};
    return {};
  });
}

int32_t bartizan_bundle_info(const bartizan_bundle* bundle, bartizan_string** json,
                             bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!bundle) return missing("bundle");
    if (!json) return missing("json");
    *json = make_json(bundle->bundle.info()).release();
    return {};
  });
}

void bartizan_bundle_free(bartizan_bundle* bundle) {
  delete bundle;
}

int32_t bartizan_bundle_default_path(bartizan_string** path, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!path) return missing("path");
    *path = make_string(bz::default_bundle_path().string()).release();
    return {};
  });
}

}  // extern "C"
