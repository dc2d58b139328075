#include "attest/verify/known.hpp"

#include <deque>
#include <initializer_list>
#include <map>
#include <optional>

#include "base/errors.hpp"
#include "base/mutex.hpp"
#include "crypto/hash.hpp"

namespace bartizan::attest::verify {
namespace {

using crypto::Certificate;
using crypto::Sha256Digest;

// Of each kind. Certificates have 10 KiB once parsed, collateral 100 KiB.
constexpr size_t kMostCertificates = 256, kMostKeys = 256, kMostCollaterals = 16,
                 kMostSignatures = 4096;

// The oldest goes first.
template <typename Value>
class Memo {
 public:
  explicit Memo(size_t most) : most_(most) {}
  std::optional<Value> find(const Sha256Digest& key) {
    MutexLock lock(mutex_);
    auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional<Value>(found->second);
  }
  void put(const Sha256Digest& key, Value value) {
    MutexLock lock(mutex_);
    if (!values_.emplace(key, std::move(value)).second) return;
    order_.push_back(key);
    if (order_.size() <= most_) return;
    values_.erase(order_.front());
    order_.pop_front();
  }

 private:
  const size_t most_;
  Mutex mutex_;
  std::map<Sha256Digest, Value> values_ BARTIZAN_GUARDED_BY(mutex_);
  std::deque<Sha256Digest> order_ BARTIZAN_GUARDED_BY(mutex_);
};

// Of parts that have lengths of their own, so that no two lists of parts are the same bytes.
Sha256Digest digest_of(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (ByteView part : parts) {
    const uint64_t size = part.size();
    for (int shift = 0; shift < 64; shift += 8) all.push_back(static_cast<uint8_t>(size >> shift));
    all.insert(all.end(), part.begin(), part.end());
  }
  return crypto::sha256(all);
}

template <typename Value, typename Make>
Result<Value> known(Memo<Value>& memo, ByteView bytes, Make make) {
  const Sha256Digest key = crypto::sha256(bytes);
  if (auto found = memo.find(key)) return *std::move(found);
  Value value = TRY(make());
  memo.put(key, value);
  return value;
}

// `prove` is asked unless it held for the same parts before. The first part names the kind.
template <typename Prove>
bool holds(std::initializer_list<ByteView> parts, Prove prove) {
  static Memo<bool> memo(kMostSignatures);
  const Sha256Digest key = digest_of(parts);
  if (memo.find(key)) return true;
  if (!prove()) return false;
  memo.put(key, true);
  return true;
}

}  // namespace

Result<Certificate> known_certificate(ByteView bytes) {
  static Memo<Certificate> memo(kMostCertificates);
  return known(memo, bytes, [bytes] {
    const std::string_view text = as_text(bytes);
    return text.starts_with("-----BEGIN") ? Certificate::from_pem(text)
                                          : Certificate::from_der(bytes);
  });
}

Result<std::vector<Certificate>> known_chain(std::string_view pem) {
  static Memo<std::vector<Certificate>> memo(kMostCertificates);
  return known(memo, as_bytes(pem), [pem] { return Certificate::all_from_pem(pem); });
}

Result<std::shared_ptr<const TdxCollateral>> known_collateral(std::string_view json) {
  using Shared = std::shared_ptr<const TdxCollateral>;
  static Memo<Shared> memo(kMostCollaterals);
  return known(memo, as_bytes(json), [json]() -> Result<Shared> {
    return Shared(std::make_shared<const TdxCollateral>(TRY(parse_tdx_collateral(json))));
  });
}

Result<crypto::EcKey> known_p256_key(ByteView point) {
  static Memo<crypto::EcKey> memo(kMostKeys);
  return known(memo, point, [point] {
    return crypto::EcKey::from_public(
        crypto::Curve::p256,
        {Bytes(point.begin(), point.begin() + 32), Bytes(point.begin() + 32, point.end())});
  });
}

bool is_issued_by(const Certificate& certificate, const Certificate& issuer) {
  return holds({as_bytes("certificate"), certificate.fingerprint(), issuer.fingerprint()},
               [&] { return certificate.issued_by(issuer); });
}

bool is_list_of(const crypto::RevocationList& list, const Certificate& issuer) {
  return holds({as_bytes("list"), list.fingerprint(), issuer.fingerprint()},
               [&] { return list.issued_by(issuer); });
}

bool is_document_of(const SignedDocument& document, const Certificate& signer) {
  const ByteView signature = document.signature, text = as_bytes(document.text);
  return holds({as_bytes("document"), document.digest, signer.fingerprint()}, [&] {
    auto key = signer.ec_public_key();
    return key.ok() && key->curve() == crypto::Curve::p256 && signature.size() == 64 &&
           key->verify(crypto::HashKind::sha256, text,
                       {Bytes(signature.begin(), signature.begin() + 32),
                        Bytes(signature.begin() + 32, signature.end())});
  });
}

}  // namespace bartizan::attest::verify
