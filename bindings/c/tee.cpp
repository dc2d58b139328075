// TEEs and guest bundles.
#include <algorithm>

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of these two nouns
namespace bz = bartizan;

namespace {

bz::Result<bz::LaunchOptions> launch_options(const bartizan_launch_options* from) {
  auto options = TRY(options_of(from, "bartizan_launch_options"));
  bz::LaunchOptions to;
  to.tee = TRY(tee_of(options.tee));
  to.bundle = text(options.bundle);
  if (options.vcpus) to.vcpus = options.vcpus;
  if (options.ram_mib) to.ram_mib = options.ram_mib;
  to.extra_command_line = text(options.extra_command_line);
  to.c_bit = options.c_bit;
  to.guest_features = options.guest_features;
  return to;
}

constexpr uint32_t kHostKernels =
    BARTIZAN_HOST_KERNEL_SINCE_6_10 | BARTIZAN_HOST_KERNEL_BEFORE_6_10;

bz::Result<bz::FirmwareLaunch> firmware_launch(const bartizan_measure_options& options) {
  if (options.vmm < BARTIZAN_VMM_QEMU || options.vmm > BARTIZAN_VMM_GCE)
    return bz::invalid(kOrigin, "vmm: {} is none of BARTIZAN_VMM_*", options.vmm);
  auto digest = TRY(bytes_of(options.ovmf_digest, "ovmf_digest"));
  return bz::FirmwareLaunch{text(options.ovmf),
                            text(options.kernel),
                            text(options.initrd),
                            text(options.append),
                            static_cast<bz::Vmm>(options.vmm),
                            std::move(digest)};
}

bz::Result<void> set_processors(const bartizan_measure_options& from, bz::MeasureOptions* to) {
  if (!from.vcpu_types && from.vcpu_type_count) return missing("vcpu_types");
  if (!from.vcpu_signatures && from.vcpu_signature_count) return missing("vcpu_signatures");
  if (!from.c_bits && from.c_bit_count) return missing("c_bits");
  for (size_t i = 0; i < from.vcpu_type_count; ++i)
    to->vcpu_types.push_back(text(from.vcpu_types[i]));
  for (size_t i = 0; i < from.vcpu_signature_count; ++i)
    to->vcpu_signatures.push_back(from.vcpu_signatures[i]);
  for (size_t i = 0; i < from.c_bit_count; ++i) to->c_bits.push_back(from.c_bits[i]);
  return {};
}

bz::Result<void> set_host_kernels(const bartizan_measure_options& from, bz::MeasureOptions* to) {
  TRY(check_flags(from.host_kernels, kHostKernels, "host_kernels"));
  if (from.host_kernels == 0) return {};
  to->host_kernels.clear();
  if (from.host_kernels & BARTIZAN_HOST_KERNEL_SINCE_6_10)
    to->host_kernels.push_back(bz::HostKernel::since_6_10);
  if (from.host_kernels & BARTIZAN_HOST_KERNEL_BEFORE_6_10)
    to->host_kernels.push_back(bz::HostKernel::before_6_10);
  return {};
}

bz::Result<bz::MeasureOptions> measure_options(const bartizan_measure_options* from) {
  auto options = TRY(options_of(from, "bartizan_measure_options"));
  bz::MeasureOptions to;
  to.launch.tee = TRY(tee_of(options.tee));
  to.launch.bundle = text(options.bundle);
  if (options.vcpus) to.launch.vcpus = options.vcpus;
  if (options.ram_mib) to.launch.ram_mib = options.ram_mib;
  to.launch.extra_command_line = text(options.extra_command_line);
  to.max_vcpus = options.max_vcpus;
  to.guest_features = options.guest_features;
  to.firmware = TRY(firmware_launch(options));
  TRY(set_host_kernels(options, &to));
  TRY(set_processors(options, &to));
  return to;
}

bz::Result<void> set_id(bartizan_blob from, const char* name, std::array<uint8_t, 16>* to) {
  auto bytes = TRY(bytes_of(from, name));
  if (bytes.empty()) return {};
  if (bytes.size() != to->size())
    return bz::invalid(kOrigin, "{}: {} bytes, not 16", name, bytes.size());
  std::copy(bytes.begin(), bytes.end(), to->begin());
  return {};
}

bz::Result<bz::IdBlockOptions> id_block_options(const bartizan_id_block_options* from) {
  auto options = TRY(options_of(from, "bartizan_id_block_options"));
  TRY(require(options.id_key, "id_key"));
  bz::IdBlockOptions to;
  to.digest = TRY(bytes_of(options.digest, "digest"));
  TRY(set_id(options.family_id, "family_id", &to.family_id));
  TRY(set_id(options.image_id, "image_id", &to.image_id));
  to.guest_svn = options.guest_svn;
  if (options.policy) to.policy = options.policy;
  to.id_key = options.id_key;
  to.author_key = text(options.author_key);
  return to;
}

bz::Result<bz::BundleOptions> bundle_options(const bartizan_bundle_options* from) {
  auto options = TRY(options_of(from, "bartizan_bundle_options"));
  bz::BundleOptions to;
  to.kernel = text(options.kernel);
  to.modules = text(options.modules);
  to.init = text(options.init);
  to.output = text(options.output);
  to.extra_command_line = text(options.extra_command_line);
  to.progress = progress_sink(options.progress, options.progress_user);
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
    auto found = TRY(bz::tee_from_string(name));
    *tee = static_cast<int32_t>(found);
    return {};
  });
}

int32_t bartizan_probe(const bartizan_probe_options* options, bartizan_string** json,
                       bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto copy = TRY(options_of(options, "bartizan_probe_options"));
    bz::ProbeOptions to;
    if (copy.kvm_device && *copy.kvm_device) to.kvm_device = copy.kvm_device;
    if (copy.guest_time_limit_ms) to.guest_time_limit_ms = copy.guest_time_limit_ms;
    return give_json(bz::probe(to), json);
  });
}

int32_t bartizan_measure(const bartizan_launch_options* options, bartizan_string** json,
                         bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto launch = TRY(launch_options(options));
    return give_json(bz::measure(launch), json);
  });
}

int32_t bartizan_measure_set(const bartizan_measure_options* options, bartizan_string** json,
                             bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto measure = TRY(measure_options(options));
    return give_json(bz::measure_set(measure), json);
  });
}

int32_t bartizan_id_block_make(const bartizan_id_block_options* options, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto block = TRY(id_block_options(options));
    return give_json(bz::make_id_block(block), json);
  });
}

int32_t bartizan_bundle_create(const bartizan_bundle_options* options, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    auto bundle = TRY(bundle_options(options));
    return give_json(bz::create_bundle(bundle), json);
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
