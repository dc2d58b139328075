#include "fakes/tee_kernel_digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace bartizan::fakes {
namespace {

template <typename T>
void store(std::span<uint8_t> page, size_t at, T value) {
  std::memcpy(page.data() + at, &value, sizeof value);  // x86: little endian, as the formats are
}

}  // namespace

struct RunningHash::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

RunningHash::RunningHash(Kind kind) : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context, kind == Kind::sha256 ? EVP_sha256() : EVP_sha384(), nullptr);
}
RunningHash::RunningHash(RunningHash&&) noexcept = default;
RunningHash& RunningHash::operator=(RunningHash&&) noexcept = default;
RunningHash::~RunningHash() = default;

void RunningHash::add(std::span<const uint8_t> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::vector<uint8_t> RunningHash::value() const {
  State copy;
  EVP_MD_CTX_copy_ex(copy.context, state_->context);
  std::vector<uint8_t> value(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EVP_DigestFinal_ex(copy.context, value.data(), &size);
  value.resize(size);
  return value;
}

Digest256 fake_sha256(std::span<const uint8_t> bytes) {
  Digest256 digest;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

std::string short_hash(std::span<const uint8_t> bytes) {
  auto digest = fake_sha256(bytes);
  return fmt::format("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
}

Digest384 fake_sha384(std::span<const uint8_t> bytes) {
  Digest384 digest;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha384(), nullptr);
  return digest;
}

Digest256 fake_hmac_sha256(std::span<const uint8_t> key, std::span<const uint8_t> bytes) {
  Digest256 mac;
  unsigned size = mac.size();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(),
       mac.data(), &size);
  return mac;
}

void SnpChain::add(uint8_t page_type, uint64_t gpa, std::span<const uint8_t, 4096> content) {
  constexpr uint8_t kNormal = 1;
  std::array<uint8_t, 0x70> info{};
  std::copy(value_.begin(), value_.end(), info.begin());
  if (page_type == kNormal || page_type == kVmsaType) {
    Digest384 digest = fake_sha384(content);
    std::copy(digest.begin(), digest.end(), info.begin() + 0x30);
  }
  store<uint16_t>(info, 0x60, info.size());
  info[0x62] = page_type;  // 0x63 IMI, 0x64 to 0x66 permissions of VMPL 3 to 1: KVM passes 0
  store<uint64_t>(info, 0x68, gpa);
  value_ = fake_sha384(info);
  ++records_;
}

void TdxChain::page_add(uint64_t gpa) {
  std::array<uint8_t, 128> record{};
  constexpr std::string_view kName = "MEM.PAGE.ADD";
  std::copy(kName.begin(), kName.end(), record.begin());
  store<uint64_t>(record, 16, gpa);
  hash_.add(record);
}

void TdxChain::extend(uint64_t gpa, std::span<const uint8_t, 256> chunk) {
  std::array<uint8_t, 128> record{};
  constexpr std::string_view kName = "MR.EXTEND";
  std::copy(kName.begin(), kName.end(), record.begin());
  store<uint64_t>(record, 16, gpa);
  hash_.add(record);
  hash_.add(chunk);
}

Digest384 TdxChain::value() const {
  Digest384 digest;
  auto value = hash_.value();
  std::copy(value.begin(), value.end(), digest.begin());
  return digest;
}

}  // namespace bartizan::fakes
