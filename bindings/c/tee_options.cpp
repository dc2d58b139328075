// The owner of a SEV launch behind a C function.
#include "c/options.hpp"

namespace bartizan::c {
namespace {

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
    return refused(kApiOrigin, "sev_owner", "", "", "the owner does not accept the launch: {}",
                   answer);
  if (secret.header.size == 0 && secret.ciphertext.size == 0) return std::optional<SevSecret>();
  auto header = TRY(bytes_of(secret.header, "secret: header"));
  auto ciphertext = TRY(bytes_of(secret.ciphertext, "secret: ciphertext"));
  return std::optional(SevSecret{std::move(header), std::move(ciphertext), secret.guest_address});
}

}  // namespace

Result<void> finish(const bartizan_tee_options& from, TeeOptions& to) {
  if (from.owner) {
    to.owner = [owner = from.owner, user = from.owner_user](const SevMeasurement& seen) {
      return ask(owner, user, seen);
    };
  }
  if (from.flags & BARTIZAN_TEE_NO_QUOTES) to.quote_service.clear();
  return {};
}

}  // namespace bartizan::c
