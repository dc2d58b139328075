// Options of hardware TEEs, and the owner of a SEV launch behind a C function.
#include "c/options.hpp"

namespace bartizan::c {
namespace {

constexpr uint32_t kFlags = BARTIZAN_TEE_REQUIRE_CERTIFICATES | BARTIZAN_TEE_NO_QUOTES;

bartizan_blob blob_of(std::span<const uint8_t> bytes) {
  return {bytes.data(), bytes.size()};
}

Result<std::optional<SevSecret>> ask(bartizan_sev_owner_fn owner, void* user,
                                     const SevMeasurement& measured) {
  const bartizan_sev_measurement seen{
      sizeof seen,     blob_of(measured.measure), blob_of(measured.nonce), blob_of(measured.digest),
      measured.policy, measured.secret_address};
  bartizan_sev_secret secret{};
  if (int32_t answer = owner(user, &seen, &secret); answer != 0)
    return refused(kOrigin, "sev_owner", "", "", "the owner does not accept the launch: {}",
                   answer);
  if (secret.header.size == 0 && secret.ciphertext.size == 0) return std::optional<SevSecret>();
  auto header = TRY(bytes_of(secret.header, "secret: header"));
  auto ciphertext = TRY(bytes_of(secret.ciphertext, "secret: ciphertext"));
  return std::optional(SevSecret{std::move(header), std::move(ciphertext), secret.guest_address});
}

Result<void> fill(bartizan_blob from, const char* name, std::vector<uint8_t>& to) {
  to = TRY(bytes_of(from, name));
  return {};
}

}  // namespace

Result<void> fill_tee_options(const bartizan_tee_options* from, TeeOptions& to) {
  auto options = TRY(options_of(from, "bartizan_tee_options"));
  TRY(check_flags(options.flags, kFlags, "tee_options: flags"));
  to.policy = options.policy;
  to.guest_features = options.guest_features;
  TRY(fill(options.id_block, "id_block", to.id_block));
  TRY(fill(options.id_authentication, "id_authentication", to.id_authentication));
  TRY(fill(options.certificates, "certificates", to.certificates));
  TRY(fill(options.owner_certificate, "owner_certificate", to.owner_certificate));
  TRY(fill(options.session, "session", to.session));
  TRY(fill(options.platform_certificates, "platform_certificates", to.platform_certificates));
  to.require_certificates = (options.flags & BARTIZAN_TEE_REQUIRE_CERTIFICATES) != 0;
  if (options.owner) {
    to.owner = [owner = options.owner, user = options.owner_user](const SevMeasurement& seen) {
      return ask(owner, user, seen);
    };
  }
  if (options.quote_service && *options.quote_service) to.quote_service = options.quote_service;
  if (options.flags & BARTIZAN_TEE_NO_QUOTES) to.quote_service.clear();
  return {};
}

}  // namespace bartizan::c
