// The functions that a confidential machine has no use for: what libkrun accepts without effect
// where it was built without a feature, and what is refused, because its caller would believe that
// it had an effect.
#include "krun/context.hpp"
#include "krun/krun.h"
#include "krun/log.hpp"

using namespace bartizan::krun;  // NOLINT: this file is the interface
namespace bz = bartizan;

namespace {

constexpr uint32_t kSocketFeatures = 3;  // libkrun's INET and UNIX

int32_t accept(const char* function, uint32_t ctx, std::string_view line = {}) {
  return with_context(function, ctx, [&](KrunContext&) {
    if (!line.empty()) log(bz::LogLevel::warning, fmt::format("{}: {}", function, line));
    return 0;
  });
}

int32_t ordinary(const char* function) {
  return refuse(ENOTSUP, function,
                "this library is bartizan's and runs confidential images alone: run an ordinary "
                "one by the stock runtime (`podman run --runtime crun`), or install libkrun's own "
                "libkrun.so.1");
}

int32_t measured(const char* function) {
  return refuse(
      ENOTSUP, function,
      "kernel, firmware and their settings are in the guest bundle and measured: no others "
      "are taken");
}

int32_t own_network(const char* function) {
  return refuse(ENOTSUP, function,
                "the machine has a network of its own in this process, with the sockets of the "
                "container: leave passt and others out (krun.use_passt)");
}

int32_t own_console(const char* function) {
  return refuse(ENOTSUP, function,
                "the workload has the standard streams of this process, and no other console");
}

int32_t no_display(const char* function) {
  return refuse(ENOTSUP, function, "a confidential machine has neither displays nor input devices");
}

}  // namespace

extern "C" {

int32_t krun_set_exec(uint32_t ctx, const char* path, const char* const*, const char* const*) {
  return path ? accept(__func__, ctx) : -EINVAL;
}
int32_t krun_set_env(uint32_t ctx, const char* const*) {
  return accept(__func__, ctx);
}
int32_t krun_set_workdir(uint32_t ctx, const char* path) {
  return path ? accept(__func__, ctx) : -EINVAL;
}
int32_t krun_set_rlimits(uint32_t ctx, const char* const* limits) {
  return limits ? accept(__func__, ctx) : -EINVAL;
}

int32_t krun_set_gpu_options(uint32_t ctx, uint32_t) {
  return accept(__func__, ctx, "a confidential machine has no GPU");
}
int32_t krun_set_gpu_options2(uint32_t ctx, uint32_t, uint64_t) {
  return accept(__func__, ctx, "a confidential machine has no GPU");
}
int32_t krun_set_snd_device(uint32_t ctx, bool enable) {
  return accept(__func__, ctx, enable ? "a confidential machine has no sound" : "");
}
int32_t krun_split_irqchip(uint32_t ctx, bool) {
  return accept(__func__, ctx);
}
int32_t krun_disable_implicit_init(uint32_t ctx) {
  return accept(__func__, ctx);
}

int32_t krun_set_root(uint32_t, const char*) {
  return ordinary(__func__);
}
int32_t krun_add_virtiofs(uint32_t, const char*, const char*) {
  return ordinary(__func__);
}
int32_t krun_add_virtiofs2(uint32_t, const char*, const char*, uint64_t) {
  return ordinary(__func__);
}
int32_t krun_add_virtiofs3(uint32_t, const char*, const char*, uint64_t, bool) {
  return ordinary(__func__);
}
int32_t krun_set_mapped_volumes(uint32_t, const char* const*) {
  return -EINVAL;
}
int32_t krun_fs_add_overlay_file(uint32_t, const char*, const char*, const uint8_t*, size_t,
                                 uint32_t, bool) {
  return ordinary(__func__);
}
int32_t krun_fs_add_overlay_dir(uint32_t, const char*, const char*, uint32_t) {
  return ordinary(__func__);
}
int32_t krun_set_root_disk_remount(uint32_t, const char*, const char*, const char*) {
  return ordinary(__func__);
}
int32_t krun_get_default_init(const uint8_t** data, size_t* size) {
  return data && size ? -ENOTSUP : -EINVAL;
}

int32_t krun_set_kernel(uint32_t, const char*, uint32_t, const char*, const char*) {
  return measured(__func__);
}
int32_t krun_set_firmware(uint32_t, const char*) {
  return measured(__func__);
}
int32_t krun_set_kernel_console(uint32_t, const char*) {
  return measured(__func__);
}
int32_t krun_set_smbios_oem_strings(uint32_t ctx, const char* const* strings) {
  if (!strings) return -EINVAL;
  return *strings ? measured(__func__) : accept(__func__, ctx);
}
int32_t krun_set_nested_virt(uint32_t ctx, bool enable) {
  if (!enable) return accept(__func__, ctx);
  return refuse(ENOTSUP, __func__, "a confidential machine runs no virtual machines");
}

int32_t krun_add_net_unixstream(uint32_t, const char*, int, uint8_t*, uint32_t, uint32_t) {
  return own_network(__func__);
}
int32_t krun_add_net_unixgram(uint32_t, const char*, int, uint8_t*, uint32_t, uint32_t) {
  return own_network(__func__);
}
int32_t krun_add_net_tap(uint32_t, char*, uint8_t*, uint32_t, uint32_t) {
  return own_network(__func__);
}
int32_t krun_set_passt_fd(uint32_t, int) {
  return own_network(__func__);
}
int32_t krun_set_gvproxy_path(uint32_t, char*) {
  return own_network(__func__);
}
int32_t krun_set_net_mac(uint32_t, uint8_t*) {
  return own_network(__func__);
}

// The machine's own is there, as libkrun's is that was not disabled before.
int32_t krun_add_vsock(uint32_t ctx, uint32_t features) {
  if ((features & ~kSocketFeatures) != 0) return -EINVAL;
  return with_context(__func__, ctx, [](KrunContext&) { return -EEXIST; });
}
int32_t krun_disable_implicit_vsock(uint32_t) {
  return refuse(ENOTSUP, __func__, "the guest reports by its vsock device");
}
int32_t krun_set_console_output(uint32_t, const char*) {
  return own_console(__func__);
}
int32_t krun_disable_implicit_console(uint32_t) {
  return own_console(__func__);
}
int32_t krun_add_virtio_console_default(uint32_t, int, int, int) {
  return own_console(__func__);
}
int32_t krun_add_serial_console_default(uint32_t, int, int) {
  return own_console(__func__);
}
int32_t krun_add_virtio_console_multiport(uint32_t) {
  return own_console(__func__);
}
int32_t krun_add_console_port_tty(uint32_t, uint32_t, const char*, int) {
  return own_console(__func__);
}
int32_t krun_add_console_port_inout(uint32_t, uint32_t, const char*, int, int) {
  return own_console(__func__);
}

int32_t krun_add_display(uint32_t, uint32_t, uint32_t) {
  return no_display(__func__);
}
int32_t krun_display_set_edid(uint32_t, uint32_t, const uint8_t*, size_t) {
  return no_display(__func__);
}
int32_t krun_display_set_dpi(uint32_t, uint32_t, uint32_t) {
  return no_display(__func__);
}
int32_t krun_display_set_physical_size(uint32_t, uint32_t, uint16_t, uint16_t) {
  return no_display(__func__);
}
int32_t krun_display_set_refresh_rate(uint32_t, uint32_t, uint32_t) {
  return no_display(__func__);
}
int32_t krun_set_display_backend(uint32_t, const void*, size_t) {
  return no_display(__func__);
}
int krun_add_input_device(uint32_t, const void*, size_t, const void*, size_t) {
  return no_display(__func__);
}
int krun_add_input_device_fd(uint32_t, int) {
  return no_display(__func__);
}
int32_t krun_set_data_disk(uint32_t, const char*) {
  return refuse(ENOTSUP, __func__,
                "a confidential image has one disk; its scratch disk is made for it (`bartizan "
                "build --scratch`)");
}

}  // extern "C"
