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
    return Error{ErrorCode::verification_failed,
                 0,
                 "c",
                 "the owner does not accept the launch: " + std::to_string(answer),
                 "sev_owner",
                 {},
                 {}};
  if (secret.header.size == 0 && secret.ciphertext.size == 0) return std::optional<SevSecret>();
  auto header = bytes_of(secret.header, "secret: header");
  BARTIZAN_C_CHECK(header);
  auto ciphertext = bytes_of(secret.ciphertext, "secret: ciphertext");
  BARTIZAN_C_CHECK(ciphertext);
  return std::optional(SevSecret{*std::move(header), *std::move(ciphertext), secret.guest_address});
}

Result<void> fill(bartizan_blob from, const char* name, std::vector<uint8_t>& to) {
  auto bytes = bytes_of(from, name);
  BARTIZAN_C_CHECK(bytes);
  to = *std::move(bytes);
  return {};
}

}  // namespace

Result<void> fill_tee_options(const bartizan_tee_options* from, TeeOptions& to) {
  auto options = options_of(from, "bartizan_tee_options");
  BARTIZAN_C_CHECK(options);
  BARTIZAN_C_CHECK(check_flags(options->flags, kFlags, "tee_options: flags"));
  to.policy = options->policy;
  to.guest_features = options->guest_features;
  BARTIZAN_C_CHECK(fill(options->id_block, "id_block", to.id_block));
  BARTIZAN_C_CHECK(fill(options->id_authentication, "id_authentication", to.id_authentication));
  BARTIZAN_C_CHECK(fill(options->certificates, "certificates", to.certificates));
  BARTIZAN_C_CHECK(fill(options->owner_certificate, "owner_certificate", to.owner_certificate));
  BARTIZAN_C_CHECK(fill(options->session, "session", to.session));
  BARTIZAN_C_CHECK(
      fill(options->platform_certificates, "platform_certificates", to.platform_certificates));
  to.require_certificates = (options->flags & BARTIZAN_TEE_REQUIRE_CERTIFICATES) != 0;
  if (options->owner) {
    to.owner = [owner = options->owner, user = options->owner_user](const SevMeasurement& seen) {
      return ask(owner, user, seen);
    };
  }
  if (options->quote_service && *options->quote_service) to.quote_service = options->quote_service;
  if (options->flags & BARTIZAN_TEE_NO_QUOTES) to.quote_service.clear();
  return {};
}

}  // namespace bartizan::c
