#include "guest/init/storage/storage.hpp"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest/init/storage/disks.hpp"
#include "guest/init/storage/kernel_key.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/keyslot.hpp"

namespace bartizan::guest::init::storage {
namespace {

constexpr const char* kVerityName = "bartizan-verity";
constexpr const char* kCryptName = "bartizan-crypt";
constexpr const char* kKeyDescription = "bartizan:volume";
constexpr std::string_view kCorruptEvent = "DM_VERITY_ERR_BLOCK_NR=";
constexpr size_t kMaxEventBytes = 8192;  // kernel: UEVENT_BUFFER_SIZE 2048 and the header
constexpr uint32_t kUeventGroup = 1;

Result<UniqueFd> open_events() {
  UniqueFd socket(
      ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kUeventGroup;
  if (!socket.valid() ||
      ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return errno_error(errno, "guest/init/storage/storage", "kernel event socket");
  }
  return socket;
}

}  // namespace

std::optional<std::string> corrupt_block_of_event(std::string_view event) {
  while (!event.empty()) {
    std::string_view field = event.substr(0, event.find('\0'));
    event.remove_prefix(std::min(event.size(), field.size() + 1));
    if (!field.starts_with(kCorruptEvent)) continue;
    field.remove_prefix(kCorruptEvent.size());
    size_t comma = field.find(',');
    if (comma == std::string_view::npos) return std::string("unnamed block");
    // enum verity_block_type: 0 data, 1 metadata.
    return fmt::format("{} block {}", field.substr(0, comma) == "0" ? "data" : "tree",
                       field.substr(comma + 1));
  }
  return std::nullopt;
}

Result<Storage> Storage::open(const guest_abi::Manifest& manifest) {
  Disk disk = TRY(find_disk(guest_abi::kDiskSerial));
  UniqueFd events = TRY(open_events());
  Storage storage(TRY(DeviceMapper::open()), std::move(events), to_hex(manifest.verity.root_hash));
  storage.verified_ =
      TRY(storage.mapper_.create(kVerityName, verity_table(manifest.verity, disk.number)));
  uint8_t first[kBlockSize];
  TRY(storage.read_verified(storage.verified_.path, 0, first));
  storage.key_material_.resize(guest_abi::keyslot_material_size(manifest.luks2));
  TRY(storage.read_verified(storage.verified_.path, manifest.luks2.keyslot.offset,
                            storage.key_material_));
  return storage;
}

// Block by block, so that an error names its block.
Result<void> Storage::read_verified(const std::string& path, uint64_t offset,
                                    std::span<uint8_t> to) {
  UniqueFd device = TRY(open_file(path, O_RDONLY));
  for (size_t at = 0; at < to.size(); at += kBlockSize) {
    auto block = to.subspan(at, std::min<size_t>(kBlockSize, to.size() - at));
    auto read = read_exactly(device.get(), block, offset + at, "disk");
    if (read.ok()) continue;
    TRY(check());
    return read;
  }
  return {};
}

Result<MappedDevice> Storage::unlock(const guest_abi::Manifest& manifest,
                                     const SecretBytes& disk_key) {
  SecretBytes volume_key = TRY(guest_abi::open_keyslot(manifest.luks2, key_material_, disk_key));
  KernelKey key = TRY(KernelKey::add(kKeyDescription, volume_key));
  return mapper_.create(kCryptName, crypt_table(manifest.luks2, verified_.number, kKeyDescription));
}

void Storage::drain_events() {
  char buffer[kMaxEventBytes];
  for (;;) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    ssize_t count = ::recvfrom(events_.get(), buffer, sizeof buffer, 0,
                               reinterpret_cast<sockaddr*>(&sender), &size);
    if (count < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (count < 0) return;
    auto block = corrupt_block_of_event({buffer, static_cast<size_t>(count)});
    const bool from_kernel = sender.nl_pid == 0;
    if (from_kernel && block && corrupt_block_.empty()) corrupt_block_ = *block;
  }
}

Result<void> Storage::check() {
  drain_events();
  std::string status = TRY(mapper_.status(kVerityName));
  if (!status.starts_with('C') && corrupt_block_.empty()) return {};
  std::string block = corrupt_block_.empty() ? "a block" : corrupt_block_;
  return refused("guest/init/storage/storage", "verity", "root hash " + root_hash_,
                 block + " that does not fit", "the disk is not the one that the manifest names");
}

}  // namespace bartizan::guest::init::storage
