#include "guest/init/storage/scratch.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <charconv>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "guest/init/storage/disks.hpp"
#include "guest/init/storage/ext4.hpp"
#include "guest/init/storage/kernel_key.hpp"
#include "guest_abi/boot_stages.hpp"

namespace bartizan::guest::init::storage {
namespace {

constexpr const char* kOrigin = "guest/init/storage/scratch";
constexpr const char* kCryptName = "bartizan-scratch-crypt";
constexpr const char* kIntegrityName = "bartizan-scratch";
constexpr const char* kKeyDescription = "bartizan:scratch";
constexpr uint64_t kSectorsPerBlock = kBlockSize / kSectorSize;

Result<void> check_size(const Disk& disk, uint64_t bytes) {
  UniqueFd device = TRY(open_file(disk.path, O_RDWR));
  uint64_t size = 0;
  if (::ioctl(device.get(), BLKGETSIZE64, &size) != 0)
    return errno_error(errno, kOrigin, disk.path);
  if (size >= bytes) return {};
  return make_error(ErrorCode::corrupt, kOrigin, "scratch disk: {} bytes, the manifest asks for {}",
                    size, bytes);
}

Result<MappedDevice> encrypt(DeviceMapper& mapper, const Disk& disk, uint64_t bytes) {
  SecretBytes key = TRY(crypto::random_secret(kScratchKeyBytes));
  KernelKey named = TRY(KernelKey::add(kKeyDescription, key));
  return mapper.create(kCryptName, scratch_crypt_table(bytes, disk.number, kKeyDescription));
}

// Zeros where a superblock would be make dm-integrity format the device. They go through dm-crypt,
// as all that it reads later does: the host can neither forge a superblock nor choose one.
Result<void> clear_superblock(const MappedDevice& device) {
  UniqueFd file = TRY(open_file(device.path, O_RDWR));
  TRY(write_exactly(file.get(), Bytes(kBlockSize), 0, device.path));
  if (::fsync(file.get()) != 0) return errno_error(errno, kOrigin, device.path);
  return {};
}

Result<MappedDevice> create_integrity(DeviceMapper& mapper, uint64_t sectors,
                                      const MappedDevice& below, const std::string& hex_key) {
  auto device =
      mapper.create(kIntegrityName, scratch_integrity_table(sectors, below.number, hex_key));
  if (device.ok() || device.error().os_errno != EINVAL) return device;
  return make_error(ErrorCode::unsupported, kOrigin,
                    "scratch disk: this kernel has no dm-integrity with hmac(sha256): {}",
                    device.error().message);
}

// Twice, as its documentation asks for: a mapping of one block formats, and shows how large the
// real one may be.
Result<MappedDevice> authenticate(DeviceMapper& mapper, const MappedDevice& below) {
  SecretBytes key = TRY(crypto::random_secret(kIntegrityKeyBytes));
  std::string hex_key = to_hex(key.bytes());
  TRY(clear_superblock(below));
  TRY(create_integrity(mapper, kSectorsPerBlock, below, hex_key));
  uint64_t sectors = TRY(provided_sectors(TRY(mapper.status(kIntegrityName))));
  TRY(mapper.remove(kIntegrityName));
  auto device = create_integrity(mapper, align_down(sectors, kSectorsPerBlock), below, hex_key);
  explicit_bzero(hex_key.data(), hex_key.size());
  return device;
}

}  // namespace

Result<uint64_t> provided_sectors(std::string_view status) {
  size_t begin = status.find(' ');
  uint64_t sectors = 0;
  if (begin != std::string_view::npos) {
    status.remove_prefix(begin + 1);
    std::from_chars(status.data(), status.data() + status.size(), sectors);
  }
  if (sectors >= kSectorsPerBlock) return sectors;
  return make_error(ErrorCode::corrupt, kOrigin, "dm-integrity: status \"{}\" names no size",
                    status);
}

Result<MappedDevice> open_scratch(DeviceMapper& mapper, uint64_t bytes) {
  Disk disk = TRY(find_disk(guest_abi::kScratchSerial));
  TRY(check_size(disk, bytes));
  MappedDevice encrypted = TRY(encrypt(mapper, disk, bytes));
  MappedDevice device = TRY(authenticate(mapper, encrypted));
  TRY(make_ext4(device.path));
  return device;
}

}  // namespace bartizan::guest::init::storage
