#include "vmm/machine/config.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/manifest.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr const char* kOrigin = "machine";

Result<void> check_number(const char* what, uint32_t value, uint32_t least, uint32_t most) {
  if (value >= least && value <= most) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin, "{} {}: must be {} to {}", what, value,
                    least, most);
}

Result<void> check_published(const MachineOptions& options) {
  if (!options.publish.empty() && !options.network) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "publish: the machine has no network");
  }
  for (const PublishedPort& port : options.publish) {
    if (port.guest_port == 0) {
      return make_error(ErrorCode::invalid_argument, kOrigin, "publish {}:{}: guest port 0",
                        port.host_address, port.host_port);
    }
  }
  return {};
}

Result<void> check_vsock(const MachineOptions& options) {
  std::set<uint32_t> taken = {guest_abi::kReportVsockPort, guest_abi::kKeyVsockPort,
                              guest_abi::kSignalVsockPort, guest_abi::kInputVsockPort};
  for (const VsockPort& port : options.vsock) {
    if (port.path.empty()) {
      return make_error(ErrorCode::invalid_argument, kOrigin, "vsock port {}: no path", port.port);
    }
    if (!port.listen && !taken.insert(port.port).second) {
      return make_error(ErrorCode::invalid_argument, kOrigin, "vsock port {}: taken", port.port);
    }
  }
  return {};
}

}  // namespace

Result<void> check_options(const MachineOptions& options) {
  TRY(check_number("vcpus", options.vcpus, 1, kMaxVcpus));
  TRY(check_number("ram_mib", options.ram_mib, kMinRamMib, kMaxRamMib));
  TRY(check_published(options));
  TRY(check_tee_options(options.tee_options));
  return check_vsock(options);
}

Result<UniqueFd> open_disk(LuksDisk& disk) {
  TRY(guest_abi::Manifest::parse(disk.manifest));
  UniqueFd file = TRY(open_file(disk.path, O_RDONLY));
  uint64_t length = TRY(file_size(file.get(), disk.path));
  if (disk.size == 0 && disk.offset < length)
    disk.size = align_down(length - disk.offset, kSectorSize);
  auto end = checked_add(disk.offset, disk.size);
  if (disk.size == 0 || disk.size % kSectorSize != 0 || !end || *end > length) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{}: no disk at offset {} of {} bytes (file has {})", disk.path.native(),
                      disk.offset, disk.size, length);
  }
  return file;
}

Result<bool> decide_network(const MachineOptions& options, const LuksDisk& disk) {
  bool wanted = TRY(guest_abi::Manifest::parse(disk.manifest)).network;
  if (wanted && !options.network) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "network off: the image's manifest asks for a network");
  }
  if (!wanted && !options.publish.empty()) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "publish: the image's manifest asks for no network");
  }
  return wanted;
}

Result<UniqueFd> open_scratch(const MachineOptions& options, const LuksDisk& disk) {
  uint64_t wanted = TRY(guest_abi::Manifest::parse(disk.manifest)).scratch_bytes;
  const auto& path = options.scratch_disk;
  if (wanted == 0 && path.empty()) return UniqueFd();
  if (wanted == 0) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "scratch disk {}: the image's manifest asks for none", path.native());
  }
  UniqueFd file = path.empty() ? TRY(unnamed_file(std::filesystem::temp_directory_path()))
                               : TRY(open_file(path, O_RDWR | O_CREAT));
  uint64_t size = TRY(file_size(file.get(), path));
  if (size < wanted && ::ftruncate(file.get(), static_cast<off_t>(wanted)) != 0)
    return errno_error(errno, kOrigin, fmt::format("scratch disk {}: ftruncate", path.native()));
  return file;
}

Result<UniqueFd> duplicate(int fd, const char* what) {
  if (fd < 0) return UniqueFd();
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.valid()) return copy;
  if (errno == EBADF) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "{}: descriptor {} is not open", what,
                      fd);
  }
  return errno_error(errno, kOrigin, fmt::format("{}: descriptor {}", what, fd));
}

memory::Backing backing_of(HugePages pages) {
  switch (pages) {
    case HugePages::transparent:
      return memory::Backing::transparent;
    case HugePages::reserved:
      return memory::Backing::reserved;
    case HugePages::off:
      break;
  }
  return memory::Backing::pages;
}

Error in_machine(Error error, const std::string& name) {
  error.message = fmt::format("machine \"{}\": {}", name, error.message);
  return error;
}

}  // namespace bartizan::vmm::machine

namespace bartizan {
namespace {

constexpr std::string_view kHugePages[] = {"off", "transparent", "reserved"};

}  // namespace

std::string_view to_string(HugePages pages) {
  auto index = static_cast<size_t>(pages);
  return index < std::size(kHugePages) ? kHugePages[index] : "unknown";
}

Result<HugePages> huge_pages_from_string(std::string_view name) {
  for (size_t i = 0; i < std::size(kHugePages); ++i) {
    if (kHugePages[i] == name) return static_cast<HugePages>(i);
  }
  return invalid("machine", "huge pages \"{}\" are unknown: off, transparent or reserved", name);
}

}  // namespace bartizan
