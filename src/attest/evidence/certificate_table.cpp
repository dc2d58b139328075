#include "attest/evidence/certificate_table.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/errors.hpp"
#include "base/guid.hpp"

namespace bartizan::attest::evidence {
namespace {

constexpr size_t kEntrySize = 24;

// GHCB specification, SNP Extended Guest Request.
constexpr Guid kVcek = guid("63da758d-e664-4564-adc5-f4b93be8accd");
constexpr Guid kAsk = guid("4ab7b379-bbac-4fe4-a02f-05aef327c782");
constexpr Guid kArk = guid("c0b406a4-a803-4952-9743-3fb6014cd0ae");
constexpr Guid kVlek = guid("a8074bc2-a25a-483e-aae6-39c045a0b8a1");
constexpr std::array<Guid, 3> kOrder = {kVcek, kAsk, kArk};
constexpr std::array<Guid, 4> kDecodedOrder = {kVcek, kVlek, kAsk, kArk};

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
  for (const Guid& guid : kDecodedOrder) {
    auto certificate = found.find(guid);
    if (certificate != found.end()) certificates.push_back(certificate->second);
  }
  return certificates;
}

}  // namespace bartizan::attest::evidence
