// What a certificate of SNP evidence is, by its content: names and places are the sender's.
#pragma once

#include <string_view>

#include "crypto/x509.hpp"

namespace bartizan::attest::evidence {

// ASK stands for both intermediate authorities, that of VCEKs and that of VLEKs (ASVK).
enum class CertificateRole { vcek, vlek, ask, ark };
std::string_view to_string(CertificateRole role);  // "VCEK": as CoCo names it

// An authority that names itself as its issuer is an ARK, another an ASK. Of the rest, those with a
// provider and without a chip are VLEKs.
CertificateRole role_of(const crypto::Certificate& certificate);

}  // namespace bartizan::attest::evidence
