#include <fcntl.h>
#include <sys/mman.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/aes_xts.hpp"
#include "image/filesystem/erofs_check.hpp"
#include "image/luks2/header.hpp"
#include "image/parts/locate.hpp"
#include "image/verity/tree.hpp"

namespace bartizan {
namespace {

namespace fs = std::filesystem;
using image::parts::LocatedImage;
constexpr char kOrigin[] = "image/builder";
// libcryptsetup gets a copy of the header area, in memory; ours is 1 MiB, the default of other
// tools 16 MiB.
constexpr uint64_t kMaxHeaderBytes = 64 * kMiB;

Error mismatch(const LocatedImage& image, std::string_view what) {
  return make_error(ErrorCode::corrupt, kOrigin, "{}: {}", image.disk_path.string(), what);
}

bool same_numbers(const guest_abi::Manifest::Luks2& a, const guest_abi::Manifest::Luks2& b) {
  const auto &s = a.keyslot, &t = b.keyslot;
  const auto &d = a.digest, &e = b.digest;
  return std::tie(a.offset, a.cipher, a.key_bytes, a.sector_size) ==
             std::tie(b.offset, b.cipher, b.key_bytes, b.sector_size) &&
         std::tie(s.offset, s.size, s.stripes, s.af_hash, s.cipher, s.key_bytes) ==
             std::tie(t.offset, t.size, t.stripes, t.af_hash, t.cipher, t.key_bytes) &&
         std::tie(s.kdf, s.kdf_hash, s.iterations, s.salt) ==
             std::tie(t.kdf, t.kdf_hash, t.iterations, t.salt) &&
         std::tie(d.hash, d.iterations, d.salt, d.value) ==
             std::tie(e.hash, e.iterations, e.salt, e.value);
}

Result<UniqueFd> copy_header(int disk, const LocatedImage& image) {
  uint64_t size = image.manifest.luks2.offset;
  if (size > kMaxHeaderBytes)
    return mismatch(image, "LUKS2 header area is larger than any tool makes it");
  // One block of data: libcryptsetup wants a device with a segment.
  Bytes header(size + kBlockSize);
  TRY(read_exactly(disk, header, image.disk_offset, image.disk_path.string()));
  UniqueFd copy(::memfd_create("luks2-header", MFD_CLOEXEC));
  if (!copy.valid()) return errno_error(errno, kOrigin, "memfd_create");
  TRY(write_exactly(copy.get(), header, 0, "copy of the LUKS2 header"));
  return copy;
}

// The key that opens the header must also open the data, and what is there must be a whole file
// system: a wrong volume key is the key's fault, all else the builder's.
Result<void> check_data(int disk, const LocatedImage& image, const SecretBytes& volume_key,
                        bool whole) {
  const auto& luks2 = image.manifest.luks2;
  auto cipher = TRY(
      crypto::AesXts::create(volume_key.bytes(), kBlockSize, crypto::AesXts::Direction::decrypt));
  image::filesystem::ReadBlock read = [&](uint64_t number, std::span<uint8_t> to) -> Result<void> {
    uint64_t at = number * kBlockSize;
    TRY(read_exactly(disk, to, image.disk_offset + luks2.offset + at, image.disk_path.string()));
    return cipher.process(to, to, at);
  };
  Bytes first(kBlockSize);
  TRY(read(0, first));
  if (!image::filesystem::has_erofs_magic(first)) {
    return refused(kOrigin, "disk_key", "", "",
                   "{}: the key of the LUKS2 header does not decrypt a file system",
                   image.disk_path.string());
  }
  if (!whole) return {};
  auto checked = image::filesystem::check_erofs(read, luks2.size / kBlockSize);
  if (!checked.ok()) return mismatch(image, checked.error().message);
  return {};
}

// `whole`: with all of the file system, not only its first block.
Result<void> check_key(int disk, const LocatedImage& image, const SecretBytes& key, bool whole) {
  UniqueFd header = TRY(copy_header(disk, image));
  fs::path name = fmt::format("/proc/self/fd/{}", header.get());
  if (!same_numbers(TRY(image::luks2::read_luks2(name)), image.manifest.luks2)) {
    return mismatch(image, "its LUKS2 header differs from the manifest");
  }
  return check_data(disk, image, TRY(image::luks2::open_luks2(name, key)), whole);
}

Result<void> check_bounds(const LocatedImage& image) {
  const auto& verity = image.manifest.verity;
  uint64_t end =
      verity.hash_offset + image::verity::verity_tree_blocks(verity.data_blocks) * kBlockSize;
  if (end > image.manifest.disk_size)
    return mismatch(image, "dm-verity tree reaches beyond the disk");
  return {};
}

}  // namespace

Result<void> verify_image(const fs::path& image, const std::optional<SecretBytes>& disk_key,
                          const ProgressSink& progress) {
  auto located = TRY(image::parts::locate_image(image, ""));
  TRY(check_bounds(located));
  UniqueFd disk = TRY(open_file(located.disk_path, O_RDONLY));
  Meter meter(progress, "verify", located.manifest.verity.data_blocks * kBlockSize);
  TRY(image::verity::verify_tree(disk.get(), located.disk_offset, located.manifest.verity,
                                 located.disk_path.string(), meter));
  return disk_key ? check_key(disk.get(), located, *disk_key, true) : Result<void>();
}

Result<void> check_disk_key(const fs::path& image, const SecretBytes& disk_key) {
  auto located = TRY(image::parts::locate_image(image, ""));
  UniqueFd disk = TRY(open_file(located.disk_path, O_RDONLY));
  auto opened = check_key(disk.get(), located, disk_key, false);
  if (opened.ok()) return {};
  Error error = std::move(opened).error();
  error.message = fmt::format("{}: {}", image.string(), error.message);
  return error;
}

}  // namespace bartizan
