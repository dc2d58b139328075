// The functions that do something.
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "krun/context.hpp"
#include "krun/krun.h"
#include "krun/log.hpp"
#include "krun/start.hpp"
#include "krun/variant.hpp"

using namespace bartizan::krun;  // NOLINT: this file is the interface
namespace bz = bartizan;

namespace {

constexpr uint32_t kMostVcpus = 254;  // of a machine
constexpr size_t kMostPorts = 1024;   // a list without its NULL is not read for ever
constexpr uint32_t kRaw = 0, kLastFormat = 2, kLastSync = 2;
constexpr uint32_t kLastStyle = 2, kLastOption = 1;
constexpr int kStandardError = -1;

// libkrun's numbers: NET 0, BLK 1, GPU 2, SND 3, INPUT 4, EFI 5, TEE 6, AMD_SEV 7, INTEL_TDX 8,
// AWS_NITRO 9, VIRGL_RESOURCE_MAP2 10, INIT_BLOB 11.
constexpr uint64_t kFeatures = 12;
constexpr uint64_t kHas = 1 << 1 | 1 << 6 | 1 << 7 | 1 << 8;

// "8080:80". False: it is none.
bool parse_ports(const char* text, bz::PublishedPort& to) {
  const char* end = text + std::strlen(text);
  const auto host = std::from_chars(text, end, to.host_port);
  if (host.ec != std::errc() || host.ptr == end || *host.ptr != ':') return false;
  const auto guest = std::from_chars(host.ptr + 1, end, to.guest_port);
  to.host_address = "::";
  return guest.ec == std::errc() && guest.ptr == end;
}

// Each port of either side once.
bool is_new(const std::vector<bz::PublishedPort>& list, const bz::PublishedPort& port) {
  return std::ranges::none_of(list, [&](const auto& each) {
    return each.host_port == port.host_port || each.guest_port == port.guest_port;
  });
}

int32_t set_disk(const char* function, uint32_t ctx, const char* path) {
  if (!path || !*path) return -EINVAL;
  return with_context(function, ctx, [&](KrunContext& context) -> int32_t {
    if (!context.disk.empty())
      return refuse(ENOTSUP, function,
                    fmt::format("\"{}\" beside \"{}\": a confidential image has one disk, and "
                                "its scratch disk is made for it (`bartizan build --scratch`)",
                                path, context.disk.string()));
    context.disk = path;
    return 0;
  });
}

int32_t add_disk(const char* function, uint32_t ctx, const char* path, uint32_t format,
                 bool direct_io) {
  if (format > kLastFormat) return -EINVAL;
  if (format != kRaw)
    return refuse(ENOTSUP, function, "the disk of a confidential image is raw: no other format");
  if (direct_io)
    return refuse(ENOTSUP, function, "disks are read through the host's cache: no direct_io");
  return set_disk(function, ctx, path);
}

}  // namespace

extern "C" {

int32_t krun_create_ctx(void) {
  return guarded(__func__, [] {
    KrunContext context;
    if (kVariant.reads_at_creation) {
      auto host = read_host_files();
      if (host.ok())
        context.host = *std::move(host);
      else
        context.host = host.error();
    }
    return add_context(std::move(context));
  });
}

int32_t krun_free_ctx(uint32_t ctx) {
  return guarded(__func__, [&] { return take_context(ctx) ? 0 : -ENOENT; });
}

int32_t krun_start_enter(uint32_t ctx) {
  return guarded(__func__, [&]() -> int32_t {
    const auto context = take_context(ctx);
    if (!context) return -ENOENT;
    auto status = run_machine(*context);
    if (!status.ok()) return refuse("krun_start_enter", status.error());
    ::_exit(*status);
  });
}

int32_t krun_get_shutdown_eventfd(uint32_t ctx) {
  return with_context(__func__, ctx, [](KrunContext& context) -> int32_t {
    if (!context.shutdown.valid())
      context.shutdown = bz::UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return context.shutdown.valid() ? context.shutdown.get() : -errno;
  });
}

int32_t krun_set_log_level(uint32_t level) {
  set_log_level(level);
  return 0;
}

int32_t krun_init_log(int fd, uint32_t level, uint32_t style, uint32_t options) {
  if (fd < kStandardError || fd == STDIN_FILENO) return -EINVAL;
  if (style > kLastStyle || options > kLastOption) return -EINVAL;
  set_log_file(fd == kStandardError ? STDERR_FILENO : fd);
  set_log_level(level);
  return 0;
}

int32_t krun_set_root_disk(uint32_t ctx, const char* path) {
  return set_disk(__func__, ctx, path);
}

int32_t krun_add_disk(uint32_t ctx, const char* id, const char* path, bool) {
  return id ? add_disk(__func__, ctx, path, kRaw, false) : -EINVAL;
}

int32_t krun_add_disk2(uint32_t ctx, const char* id, const char* path, uint32_t format, bool) {
  return id ? add_disk(__func__, ctx, path, format, false) : -EINVAL;
}

// The guest does not write to the disk, so every `sync` is kept.
int32_t krun_add_disk3(uint32_t ctx, const char* id, const char* path, uint32_t format, bool,
                       bool direct_io, uint32_t sync) {
  if (!id || sync > kLastSync) return -EINVAL;
  return add_disk(__func__, ctx, path, format, direct_io);
}

int32_t krun_set_tee_config_file(uint32_t ctx, const char* path) {
  if (!path || !*path) return -EINVAL;
  return with_context(__func__, ctx, [&](KrunContext& context) {
    context.tee_config = path;
    return 0;
  });
}

int32_t krun_set_vm_config(uint32_t ctx, uint8_t vcpus, uint32_t ram_mib) {
  return with_context(__func__, ctx, [&](KrunContext& context) {
    if (vcpus == 0 || ram_mib == 0) return -EINVAL;
    context.vcpus = vcpus;
    context.ram_mib = ram_mib;
    return 0;
  });
}

int32_t krun_set_port_map(uint32_t ctx, const char* const ports[]) {
  return with_context(__func__, ctx, [&](KrunContext& context) {
    context.ports.reset();
    if (!ports) return 0;
    std::vector<bz::PublishedPort> list;
    for (; *ports; ++ports) {
      bz::PublishedPort port;
      if (list.size() == kMostPorts || !parse_ports(*ports, port) || !is_new(list, port))
        return -EINVAL;
      list.push_back(port);
    }
    context.ports = std::move(list);
    return 0;
  });
}

int32_t krun_add_vsock_port(uint32_t ctx, uint32_t port, const char* path) {
  return krun_add_vsock_port2(ctx, port, path, false);
}

int32_t krun_add_vsock_port2(uint32_t ctx, uint32_t port, const char* path, bool listen) {
  if (!path || !*path) return -EINVAL;
  if (listen && ::access(path, F_OK) == 0) return -EEXIST;
  return with_context(__func__, ctx, [&](KrunContext& context) {
    context.vsock.push_back({port, path, listen});
    return 0;
  });
}

int32_t krun_setuid(uint32_t ctx, uint32_t uid) {
  return with_context(__func__, ctx, [&](KrunContext& context) {
    context.uid = uid;
    return 0;
  });
}

int32_t krun_setgid(uint32_t ctx, uint32_t gid) {
  return with_context(__func__, ctx, [&](KrunContext& context) {
    context.gid = gid;
    return 0;
  });
}

int32_t krun_has_feature(uint64_t feature) {
  if (feature >= kFeatures) return -EINVAL;
  return static_cast<int32_t>(kHas >> feature & 1);
}

int32_t krun_get_max_vcpus(void) {
  const bz::UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  const int most = kvm.valid() ? ::ioctl(kvm.get(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS) : -1;
  if (most > 0) return std::min<int32_t>(most, kMostVcpus);
  return refuse(EINVAL, __func__, "/dev/kvm: no number of vCPUs");
}

// The processor that a guest is shown has no virtualization.
int32_t krun_check_nested_virt(void) {
  return 0;
}

}  // extern "C"
