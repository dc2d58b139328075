#include "image/verity/format.hpp"

#include "base/errors.hpp"
#include "image/luks2/cryptsetup.hpp"

namespace bartizan::image {
namespace {

constexpr char kOrigin[] = "image/verity";
constexpr uint32_t kBlock = 4096;

}  // namespace

Result<Manifest::Verity> format_verity(const std::filesystem::path& path, uint64_t data_bytes,
                                       ByteView salt, const std::string& uuid) {
  Cryptsetup device = TRY(Cryptsetup::open(path));
  Manifest::Verity verity;
  verity.salt.assign(salt.begin(), salt.end());
  verity.data_blocks = data_bytes / kBlock;
  verity.hash_offset = data_bytes + kBlock;
  std::string name = path.string();
  crypt_params_verity params{};
  params.hash_name = "sha256";
  params.data_device = name.c_str();
  params.salt = reinterpret_cast<const char*>(salt.data());
  params.salt_size = static_cast<uint32_t>(salt.size());
  params.hash_type = 1;
  params.data_block_size = params.hash_block_size = kBlock;
  params.data_size = verity.data_blocks;
  params.hash_area_offset = data_bytes;
  params.flags = CRYPT_VERITY_CREATE_HASH;
  int status =
      crypt_format(device.get(), CRYPT_VERITY, nullptr, nullptr, uuid.c_str(), nullptr, 0, &params);
  if (status < 0) return device.error(status, kOrigin, "crypt_format VERITY");
  verity.root_hash.resize(32);
  size_t size = verity.root_hash.size();
  status =
      crypt_volume_key_get(device.get(), CRYPT_ANY_SLOT,
                           reinterpret_cast<char*>(verity.root_hash.data()), &size, nullptr, 0);
  if (status < 0) return device.error(status, kOrigin, "verity root hash");
  return verity;
}

}  // namespace bartizan::image
