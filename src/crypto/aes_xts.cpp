#include "crypto/aes_xts.hpp"

#include "base/errors.hpp"
#include "base/units.hpp"
#include "crypto/openssl.hpp"

namespace bartizan::crypto {

struct AesXts::State {
  CipherContext context{EVP_CIPHER_CTX_new()};
  uint32_t sector_size = 0;
};

AesXts::AesXts(std::unique_ptr<State> state) : state_(std::move(state)) {}
AesXts::AesXts(AesXts&&) noexcept = default;
AesXts::~AesXts() = default;

Result<AesXts> AesXts::create(ByteView key, uint32_t sector_size, Direction direction) {
  const EVP_CIPHER* cipher = key.size() == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts();
  if (key.size() != 64 && key.size() != 32) {
    return make_error(ErrorCode::invalid_argument, "crypto/aes_xts",
                      "key of {} bytes: 32 or 64 needed", key.size());
  }
  if (sector_size % kSectorSize != 0 || sector_size == 0) {
    return make_error(ErrorCode::invalid_argument, "crypto/aes_xts",
                      "sector size {}: not a multiple of {}", sector_size, kSectorSize);
  }
  auto state = std::make_unique<State>();
  state->sector_size = sector_size;
  int encrypt = direction == Direction::encrypt ? 1 : 0;
  if (EVP_CipherInit_ex(state->context.get(), cipher, nullptr, key.data(), nullptr, encrypt) != 1) {
    return openssl_error("AES-XTS key", ErrorCode::invalid_argument);
  }
  return AesXts(std::move(state));
}

Result<void> AesXts::process(ByteView from, std::span<uint8_t> to, uint64_t offset) {
  const uint32_t size = state_->sector_size;
  if (from.size() != to.size() || from.size() % size != 0 || offset % size != 0) {
    return make_error(ErrorCode::invalid_argument, "crypto/aes_xts",
                      "{} bytes at {}: not whole sectors", from.size(), offset);
  }
  for (size_t at = 0; at < from.size(); at += size) {
    uint8_t tweak[16] = {};
    // dm-crypt without iv_large_sectors counts IVs in units of kSectorSize, for any sector_size.
    store_le<uint64_t>(tweak, (offset + at) / kSectorSize);
    int produced = 0;
    if (EVP_CipherInit_ex(state_->context.get(), nullptr, nullptr, nullptr, tweak, -1) != 1 ||
        EVP_CipherUpdate(state_->context.get(), to.data() + at, &produced, from.data() + at,
                         static_cast<int>(size)) != 1) {
      return openssl_error("AES-XTS");
    }
  }
  return {};
}

}  // namespace bartizan::crypto
