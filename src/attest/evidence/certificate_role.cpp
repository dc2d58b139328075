#include "attest/evidence/certificate_role.hpp"

#include "attest/evidence/vcek_extensions.hpp"

namespace bartizan::attest::evidence {

std::string_view to_string(CertificateRole role) {
  switch (role) {
    case CertificateRole::vcek:
      return "VCEK";
    case CertificateRole::vlek:
      return "VLEK";
    case CertificateRole::ask:
      return "ASK";
    case CertificateRole::ark:
      break;
  }
  return "ARK";
}

CertificateRole role_of(const crypto::Certificate& certificate) {
  if (certificate.is_ca()) {
    const bool own = certificate.common_name() == certificate.issuer_common_name();
    return own ? CertificateRole::ark : CertificateRole::ask;
  }
  const bool of_provider = certificate.extension(kOidProvider).has_value();
  const bool of_chip = certificate.extension(kOidHardwareId).has_value();
  return of_provider && !of_chip ? CertificateRole::vlek : CertificateRole::vcek;
}

}  // namespace bartizan::attest::evidence
