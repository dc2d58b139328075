#include "attest/evidence/certificate_table.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/errors.hpp"

namespace bartizan::attest::evidence {
namespace {

using Guid = std::array<uint8_t, 16>;
constexpr size_t kEntrySize = 24;

// Mixed-endian on the wire, like UEFI GUIDs: the first three groups little endian.
constexpr Guid kVcek = {0x5d, 0x75, 0xda, 0x63, 0x64, 0xe6, 0x64, 0x45,
                        0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
constexpr Guid kAsk = {0x79, 0xb3, 0xb7, 0x4a, 0xac, 0xbb, 0xe4, 0x4f,
                       0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82};
constexpr Guid kArk = {0xa4, 0x06, 0xb4, 0xc0, 0x03, 0xa8, 0x52, 0x49,
                       0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae};
constexpr std::array<Guid, 3> kOrder = {kVcek, kAsk, kArk};

Error corrupt_table(std::string_view what) {
  return make_error(ErrorCode::corrupt, "attest/evidence", "certificate table: {}", what);
}

struct CertificateEntry {
  Guid guid{};
  uint32_t offset = 0, length = 0;
};

// Nothing at the zero entry that ends the list.
Result<std::optional<CertificateEntry>> next_entry(ByteReader& reader) {
  ByteView guid = TRY(reader.take(16));
  CertificateEntry entry;
  std::copy(guid.begin(), guid.end(), entry.guid.begin());
  entry.offset = TRY(reader.read<uint32_t>());
  entry.length = TRY(reader.read<uint32_t>());
  if (entry.guid == Guid{}) return std::optional<CertificateEntry>();
  return std::optional<CertificateEntry>(entry);
}

}  // namespace

Bytes encode_certificate_table(const std::vector<Bytes>& certificates) {
  size_t count = std::min(certificates.size(), kOrder.size());
  Bytes table((count + 1) * kEntrySize);
  for (size_t i = 0; i < count; ++i) {
    uint8_t* entry = &table[i * kEntrySize];
    std::copy(kOrder[i].begin(), kOrder[i].end(), entry);
    store_le(entry + 16, static_cast<uint32_t>(table.size()));
    store_le(entry + 20, static_cast<uint32_t>(certificates[i].size()));
    table.insert(table.end(), certificates[i].begin(), certificates[i].end());
  }
  return table;
}

Result<std::vector<Bytes>> decode_certificate_table(ByteView table) {
  if (table.size() > kMaxCertificateTable)
    return corrupt_table(fmt::format("{} bytes are too many", table.size()));
  ByteReader reader(table, "certificate table");
  std::map<Guid, Bytes> found;
  while (true) {
    std::optional<CertificateEntry> entry = TRY(next_entry(reader));
    if (!entry) break;
    if (entry->offset > table.size() || entry->length > table.size() - entry->offset) {
      return corrupt_table(fmt::format("entry points to {}+{} of {} bytes", entry->offset,
                                       entry->length, table.size()));
    }
    ByteView content = table.subspan(entry->offset, entry->length);
    if (!found.emplace(entry->guid, Bytes(content.begin(), content.end())).second) {
      return corrupt_table("a GUID appears twice");
    }
  }
  std::vector<Bytes> certificates;
  for (const Guid& guid : kOrder) {
    auto certificate = found.find(guid);
    if (certificate != found.end()) certificates.push_back(certificate->second);
  }
  return certificates;
}

}  // namespace bartizan::attest::evidence
