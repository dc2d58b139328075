#include "vmm/machine/config.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include <cerrno>
#include <set>

#include "base/checked.hpp"
#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/keyslot.hpp"
#include "guest_abi/manifest.hpp"
#include "guest_abi/network.hpp"
#include "vmm/machine/tee_options.hpp"

namespace bartizan::vmm::machine {
namespace {

constexpr const char* kOrigin = "machine";

// 0: to be decided.
Result<void> check_number(const std::string& what, uint32_t value, uint32_t least, uint32_t most) {
  if (value == 0 || (value >= least && value <= most)) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin, "{} {}: must be {} to {}", what, value,
                    least, most);
}

bool is_address(const std::string& text) {
  in6_addr any{};
  return ::inet_pton(AF_INET, text.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &any) == 1;
}

Result<void> check_published(const MachineOptions& options) {
  const bool some = !options.publish.empty() || !options.publish_auto.empty();
  if (some && options.network == NetworkMode::none)
    return make_error(ErrorCode::invalid_argument, kOrigin, "publish: the machine has no network");
  if (!options.publish_auto.empty() && !is_address(options.publish_auto)) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "publish_auto \"{}\": no IP address",
                      options.publish_auto);
  }
  for (const PublishedPort& port : options.publish) {
    if (port.guest_port == 0) {
      return make_error(ErrorCode::invalid_argument, kOrigin, "publish {}:{}: guest port 0",
                        port.host_address, port.host_port);
    }
    // The guest's answers would be datagrams to anybody.
    if (port.protocol == PortProtocol::udp && options.network == NetworkMode::isolated) {
      return make_error(ErrorCode::invalid_argument, kOrigin,
                        "publish {}:{}/udp: an isolated guest answers on TCP ports alone",
                        port.host_address, port.host_port);
    }
  }
  return {};
}

Result<std::vector<virtio::EgressRule>> egress_rules(const MachineOptions& options) {
  std::vector<virtio::EgressRule> rules;
  for (const std::string& text : options.allow)
    rules.push_back(TRY(virtio::parse_egress_rule(text)));
  return rules;
}

Result<void> check_allowed(const std::string& url, const std::string& port,
                           const NetworkDecision& decision, virtio::Reserved where) {
  for (const virtio::EgressRule& rule : decision.allow) {
    if (rule.where == where && (rule.port == 0 || std::to_string(rule.port) == port)) return {};
  }
  const bool loopback = where == virtio::Reserved::loopback;
  return make_error(ErrorCode::permission_denied, kOrigin,
                    "the broker {} is {}, which its guests reach if this host's owner allows it: "
                    "`allow` {}:{}",
                    url, loopback ? "at this host's loopback" : "link-local or a metadata service",
                    loopback ? "loopback" : "metadata", port);
}

// Better now than after the boot.
Result<void> check_broker_is_reachable(const std::string& url, const NetworkDecision& decision) {
  const auto broker = TRY(Endpoint::parse(url));
  if (broker.is_loopback()) {
    return invalid(kOrigin,
                   "broker {}: in the guest that is the guest itself; this host is {} there", url,
                   guest_abi::kGatewayAddress);
  }
  if (decision.mode == NetworkMode::isolated) {
    return make_error(ErrorCode::permission_denied, kOrigin,
                      "network isolated: the guest could not ask its broker {} for the key", url);
  }
  const auto address = broker.address();
  if (address.empty()) return {};  // a name: its addresses are the guest's to ask for
  switch (virtio::destination_of(address)) {
    case virtio::Destination::outside:
      return {};
    case virtio::Destination::nowhere:
      return invalid(kOrigin, "broker {}: from a guest this address leads nowhere", url);
    case virtio::Destination::gateway:
      return check_allowed(url, broker.port, decision, virtio::Reserved::loopback);
    case virtio::Destination::metadata:
      return check_allowed(url, broker.port, decision, virtio::Reserved::metadata);
  }
  return {};
}

Result<void> check_vsock(const MachineOptions& options) {
  std::set<uint32_t> taken = {guest_abi::kReportVsockPort,    guest_abi::kKeyVsockPort,
                              guest_abi::kSignalVsockPort,    guest_abi::kInputVsockPort,
                              guest_abi::kOutputVsockPort,    guest_abi::kTerminalVsockPort,
                              guest_abi::kListeningVsockPort, guest_abi::kBrokerVsockPort};
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

// What is in it gets lost: only a new file or one that was a scratch disk of this size is taken. A
// block device is given on purpose.
Result<void> check_expendable(int fd, uint64_t size, uint64_t wanted,
                              const std::filesystem::path& path) {
  struct stat status {};
  if (size == 0 || size == wanted) return {};
  if (::fstat(fd, &status) == 0 && S_ISBLK(status.st_mode)) return {};
  return make_error(ErrorCode::invalid_argument, kOrigin,
                    "scratch disk {}: a file of {} bytes, which would be lost; name a new file, or "
                    "one of {} bytes",
                    path.native(), size, wanted);
}

}  // namespace

Result<void> check_size(const std::string& whose, uint32_t vcpus, uint32_t ram_mib) {
  TRY(check_number(whose + "vcpus", vcpus, 1, kMaxVcpus));
  return check_number(whose + "ram_mib", ram_mib, kMinRamMib, kMaxRamMib);
}

Result<void> check_options(const MachineOptions& options) {
  TRY(check_size("", options.vcpus, options.ram_mib));
  if (options.loaded_bundle && !options.bundle.empty())
    return invalid(kOrigin, "bundle {} and loaded_bundle {}: give one of them",
                   options.bundle.string(), options.loaded_bundle->info().path.string());
  TRY(check_published(options));
  TRY(check_tee_options(options.tee_options));
  TRY(egress_rules(options));
  if (!options.broker_url.empty()) {
    auto broker = Endpoint::parse(options.broker_url);
    if (!broker.ok()) return invalid(kOrigin, "broker_url: {}", broker.error().message);
  }
  return check_vsock(options);
}

Result<void> check_limits(const MachineOptions& options, uint32_t vcpus, uint32_t ram_mib,
                          const guest_abi::Manifest& manifest) {
  const struct {
    const char* what;
    uint64_t wanted, most;
    const char* limit;
  } limits[] = {{"vcpus", vcpus, options.max_vcpus, "max_vcpus"},
                {"ram_mib", ram_mib, options.max_ram_mib, "max_ram_mib"},
                {"scratch disk of bytes", manifest.scratch_bytes, options.max_scratch_bytes,
                 "max_scratch_bytes"}};
  for (const auto& [what, wanted, most, limit] : limits) {
    if (most == 0 || wanted <= most) continue;
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{} {}: this host gives at most {} ({})", what, wanted, most, limit);
  }
  return {};
}

Result<OpenedDisk> open_disk(LuksDisk& disk) {
  auto manifest = TRY(guest_abi::Manifest::parse(disk.manifest));
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
  return OpenedDisk{std::move(file), std::move(manifest)};
}

namespace {

// A key file as `bartizan build` writes it ends with a newline, which is not part of the key.
bool opens_without_newline(const guest_abi::Manifest::Luks2& luks2, ByteView material,
                           const SecretBytes& key) {
  const ByteView bytes = key.bytes();
  return bytes.size() > 1 && bytes.back() == '\n' &&
         guest_abi::open_keyslot(luks2, material, SecretBytes(bytes.first(bytes.size() - 1))).ok();
}

}  // namespace

Result<void> check_disk_key(const LuksDisk& disk, int file, const guest_abi::Manifest& manifest,
                            Tee tee) {
  const std::string path = disk.path.native();
  if (!disk.disk_key && !manifest.broker)
    return invalid(kOrigin, "disk_key: none given, and the manifest in {} names no broker", path);
  if (!disk.disk_key && tee == Tee::none)
    return invalid(kOrigin, "disk_key: none given, and without a TEE no broker gives it away");
  if (!disk.disk_key) return {};
  Bytes material(guest_abi::keyslot_material_size(manifest.luks2));
  TRY(read_exactly(file, material, disk.offset + manifest.luks2.keyslot.offset, path));
  auto opened = guest_abi::open_keyslot(manifest.luks2, material, *disk.disk_key);
  if (opened.ok()) return {};
  Error error = std::move(opened).error();
  error.message = fmt::format("{}: {}", path, error.message);
  if (opens_without_newline(manifest.luks2, material, *disk.disk_key))
    error.message += ": with its final newline removed it opens";
  return error;
}

Result<std::optional<guest_abi::Manifest::Broker>> decide_broker(
    const MachineOptions& options, const guest_abi::Manifest& manifest) {
  auto broker = manifest.broker;
  if (options.broker_url.empty()) return broker;
  if (!broker)
    return invalid(kOrigin, "broker_url {}: the image names no broker", options.broker_url);
  if (!manifest.host.broker) {
    return make_error(
        ErrorCode::permission_denied, kOrigin,
        "broker_url {}: the image lets no host choose its broker's address: build it with "
        "host_may \"broker\"",
        options.broker_url);
  }
  broker->url = TRY(Endpoint::parse(options.broker_url)).url;
  return broker;
}

Result<NetworkDecision> decide_network(const MachineOptions& options,
                                       const guest_abi::Manifest& manifest,
                                       const std::string& asked) {
  NetworkDecision decision{options.network, TRY(egress_rules(options))};
  if (!manifest.network) {
    if (!options.publish.empty() || !options.publish_auto.empty()) {
      return make_error(ErrorCode::invalid_argument, kOrigin,
                        "publish: the image's manifest asks for no network");
    }
    return NetworkDecision{};
  }
  if (options.network == NetworkMode::none) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "network none: the image's manifest asks for a network");
  }
  if (!asked.empty()) TRY(check_broker_is_reachable(asked, decision));
  return decision;
}

Result<UniqueFd> open_scratch(const MachineOptions& options, const guest_abi::Manifest& manifest) {
  const uint64_t wanted = manifest.scratch_bytes;
  const auto& path = options.scratch_disk;
  if (wanted == 0 && path.empty()) return UniqueFd();
  if (wanted == 0) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "scratch disk {}: the image's manifest asks for none", path.native());
  }
  UniqueFd file = path.empty() ? TRY(unnamed_file(TRY(temporary_folder())))
                               : TRY(open_file(path, O_RDWR | O_CREAT));
  uint64_t size = TRY(file_size(file.get(), path));
  TRY(check_expendable(file.get(), size, wanted, path));
  if (size < wanted && ::ftruncate(file.get(), static_cast<off_t>(wanted)) != 0)
    return errno_error(errno, kOrigin, fmt::format("scratch disk {}: ftruncate", path.native()));
  return file;
}

Result<UniqueFd> duplicate(int fd, const char* what) {
  if (fd < 0) return UniqueFd();
  auto copy = duplicate_fd(fd, what);
  if (copy.ok() || copy.error().os_errno != EBADF) return copy;
  return make_error(ErrorCode::invalid_argument, kOrigin, "{}: descriptor {} is not open", what,
                    fd);
}

Result<UniqueFd> duplicate_stream(int fd, int access, const char* what) {
  if (fd < -1) return make_error(ErrorCode::invalid_argument, kOrigin, "{}: {}", what, fd);
  UniqueFd copy = TRY(duplicate(fd, what));
  if (!copy.valid()) return copy;
  const int flags = ::fcntl(copy.get(), F_GETFL);
  struct stat status {};
  const bool folder = ::fstat(copy.get(), &status) == 0 && S_ISDIR(status.st_mode);
  const bool other_way = (flags & O_ACCMODE) != access && (flags & O_ACCMODE) != O_RDWR;
  if (!folder && !other_way && (flags & O_PATH) == 0) return copy;
  return make_error(ErrorCode::invalid_argument, kOrigin, "{}: descriptor {} cannot be {}", what,
                    fd, access == O_RDONLY ? "read" : "written");
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
constexpr std::string_view kNetworkModes[] = {"outbound", "isolated", "none"};
constexpr std::string_view kEvents[] = {"attested", "ready", "exited"};
constexpr std::string_view kPortProtocols[] = {"tcp", "udp"};
constexpr std::string_view kHardening[] = {"off", "preferred", "required"};

template <typename Enum>
std::string_view name_of(Enum value, std::span<const std::string_view> names) {
  auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : "unknown";
}

template <typename Enum>
Result<Enum> value_of(std::string_view name, std::span<const std::string_view> names,
                      std::string_view what) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return invalid("machine", "{} \"{}\" is unknown: {}", what, name, fmt::join(names, ", "));
}

}  // namespace

std::string_view to_string(HugePages pages) {
  return name_of(pages, kHugePages);
}

Result<HugePages> huge_pages_from_string(std::string_view name) {
  return value_of<HugePages>(name, kHugePages, "huge pages");
}

std::string_view to_string(Hardening hardening) {
  return name_of(hardening, kHardening);
}

Result<Hardening> hardening_from_string(std::string_view name) {
  return value_of<Hardening>(name, kHardening, "hardening");
}

std::string_view to_string(MachineEvent event) {
  return name_of(event, kEvents);
}

Result<MachineEvent> machine_event_from_string(std::string_view name) {
  return value_of<MachineEvent>(name, kEvents, "event");
}

std::string_view to_string(NetworkMode mode) {
  return name_of(mode, kNetworkModes);
}

Result<NetworkMode> network_mode_from_string(std::string_view name) {
  return value_of<NetworkMode>(name, kNetworkModes, "network");
}

std::string_view to_string(PortProtocol protocol) {
  return name_of(protocol, kPortProtocols);
}

Result<PortProtocol> port_protocol_from_string(std::string_view name) {
  return value_of<PortProtocol>(name, kPortProtocols, "protocol");
}

}  // namespace bartizan
