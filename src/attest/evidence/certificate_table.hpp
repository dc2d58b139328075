// The certificate table of an SNP extended report (GHCB spec, SNP Extended Guest Request): entries
// of GUID, offset and length, ended by a zero entry, then the certificates themselves.
#pragma once

#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::attest::evidence {

// A table larger than this comes from a host that wants the guest's memory: the ioctl itself ends
// at 16 KiB.
constexpr size_t kMaxCertificateTable = 16 * kKiB;

// DER certificates in the order VCEK, ASK, ARK.
Bytes encode_certificate_table(const std::vector<Bytes>& certificates);

// The reverse, in the order VCEK, VLEK, ASK, ARK; unknown GUIDs are passed over, missing
// certificates leave the list shorter. corrupt:
// an entry that points outside the table, a GUID twice.
Result<std::vector<Bytes>> decode_certificate_table(ByteView table);

}  // namespace bartizan::attest::evidence
