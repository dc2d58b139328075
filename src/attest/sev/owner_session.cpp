#include "attest/sev/owner_session.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "attest/sev/platform_chain.hpp"
#include "base/errors.hpp"
#include "crypto/hash.hpp"
#include "crypto/sev_primitives.hpp"

namespace bartizan::attest::sev {
namespace {

constexpr size_t kBlock = 16;
// First byte of what is authenticated: one key serves two kinds of message.
constexpr uint8_t kMeasureContext = 0x04, kSecretContext = 0x01;

void append(Bytes& to, ByteView from) {
  to.insert(to.end(), from.begin(), from.end());
}

void append_word(Bytes& to, uint32_t value) {
  to.resize(to.size() + sizeof value);
  store_le(to.data() + to.size() - sizeof value, value);
}

// SP 800-108 in counter mode with HMAC-SHA-256, numbers little endian (SEV API, 2.1.3): 128 bits,
// so one round.
Result<SecretBytes> derive(ByteView key, std::string_view label, ByteView context) {
  Bytes input;
  append_word(input, 1);
  append(input, as_bytes(label));
  input.push_back(0);
  append(input, context);
  append_word(input, 8 * kTransportKeyBytes);
  auto mac = TRY(crypto::hmac_sha256(key, input));
  SecretBytes derived(ByteView(mac).first(kTransportKeyBytes));
  OPENSSL_cleanse(mac.data(), mac.size());
  return derived;
}

}  // namespace

Result<std::pair<OwnerSession, Start>> OwnerSession::open(const crypto::EcKey& platform,
                                                          uint32_t guest_policy) {
  auto own = TRY(crypto::EcKey::generate(platform.curve()));
  SecretBytes shared = TRY(own.shared_secret(platform));
  OwnerSession session(TRY(crypto::random_secret(kTransportKeyBytes)),
                       TRY(crypto::random_secret(kTransportKeyBytes)), guest_policy);
  std::array<uint8_t, kBlock> nonce, iv;
  TRY(crypto::random_bytes(nonce));
  TRY(crypto::random_bytes(iv));
  Start start{owner_certificate(own), TRY(session.session_blob(shared, nonce, iv))};
  return std::pair(std::move(session), std::move(start));
}

// SEV API, table 32: NONCE, WRAP_TK, WRAP_IV, WRAP_MAC, POLICY_MAC.
Result<Bytes> OwnerSession::session_blob(const SecretBytes& shared, ByteView nonce,
                                         ByteView iv) const {
  SecretBytes master = TRY(derive(shared.bytes(), "sev-master-secret", nonce));
  SecretBytes encryption = TRY(derive(master.bytes(), "sev-kek", {}));
  SecretBytes integrity = TRY(derive(master.bytes(), "sev-kik", {}));
  SecretBytes keys(2 * kTransportKeyBytes);
  std::ranges::copy(encryption_.bytes(), keys.mutable_bytes().begin());
  std::ranges::copy(integrity_.bytes(), keys.mutable_bytes().begin() + kTransportKeyBytes);
  Bytes wrapped = TRY(crypto::aes_128_ctr(encryption.bytes(), iv, keys.bytes()));
  Bytes policy;
  append_word(policy, guest_policy_);
  Bytes blob(nonce.begin(), nonce.end());
  append(blob, wrapped);
  append(blob, iv);
  append(blob, TRY(crypto::hmac_sha256(integrity.bytes(), wrapped)));
  append(blob, TRY(crypto::hmac_sha256(integrity_.bytes(), policy)));
  return blob;
}

Result<bool> OwnerSession::is_launch_of(ByteView launch_digest, const Firmware& firmware,
                                        const SevMeasurement& seen) const {
  Bytes message{kMeasureContext, firmware.api_major, firmware.api_minor, firmware.build};
  append_word(message, guest_policy_);
  append(message, launch_digest);
  append(message, seen.nonce);
  auto mac = TRY(crypto::hmac_sha256(integrity_.bytes(), message));
  return crypto::equal_constant_time(mac, seen.measure);
}

Result<SevSecret> OwnerSession::seal(const SecretBytes& secret, const SevMeasurement& seen) const {
  SecretBytes padded((secret.size() + kBlock - 1) / kBlock * kBlock);
  std::ranges::copy(secret.bytes(), padded.mutable_bytes().begin());
  std::array<uint8_t, kBlock> iv;
  TRY(crypto::random_bytes(iv));
  SevSecret sealed;
  sealed.ciphertext = TRY(crypto::aes_128_ctr(encryption_.bytes(), iv, padded.bytes()));
  append_word(sealed.header, 0);  // flags: not compressed
  append(sealed.header, iv);
  Bytes message{kSecretContext};
  append(message, sealed.header);
  const auto size = static_cast<uint32_t>(padded.size());
  append_word(message, size);  // in the guest
  append_word(message, size);  // in transport
  append(message, sealed.ciphertext);
  append(message, seen.measure);
  append(sealed.header, TRY(crypto::hmac_sha256(integrity_.bytes(), message)));
  return sealed;
}

}  // namespace bartizan::attest::sev
