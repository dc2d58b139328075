#include "plan/tee/snp/ovmf.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/guid.hpp"
#include "plan/tee/snp/kernel_hashes.hpp"

namespace bartizan::plan::tee::snp {
namespace {

constexpr const char* kOrigin = "tee/ovmf";
constexpr uint64_t kAddressSpaceEnd = 1ull << 32;

constexpr Guid kTableFooter = guid("96b582de-1fb2-45f7-baea-a366c55a082d");
constexpr Guid kHashTable = guid("7255371f-3a3b-4b04-927b-1da6efa8d454");
constexpr Guid kResetBlock = guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e");
constexpr Guid kSevMetadata = guid("dc886566-984a-4798-a75e-5585a7bf67cc");

// An entry, read backwards: GUID (16 bytes), u16 length of data, length and GUID together, data.
constexpr size_t kEntryTail = 18;
constexpr size_t kResetVectorBytes = 32;  // below the end of the image

// Metadata: "ASEV", u32 length, u32 version, u32 count, then sections of {u32 address, size, kind}.
constexpr size_t kMetadataHeader = 16, kSectionBytes = 12;
constexpr uint32_t kMetadataMagic = 0x56455341, kMetadataVersion = 1;

template <typename... Args>
Error corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(ErrorCode::corrupt, kOrigin, format, std::forward<Args>(args)...);
}

struct TableEntry {
  ByteView data, guid;
  size_t whole = 0;  // bytes of the entry
};

// The last entry of `table`.
Result<TableEntry> last_entry(ByteView table) {
  ByteView tail = table.last(kEntryTail);
  auto whole = load_le<uint16_t>(tail.data());
  if (whole < kEntryTail || whole > table.size()) {
    return corrupt("firmware: table entry of {} bytes where {} are left", whole, table.size());
  }
  return TableEntry{table.last(whole).first(whole - kEntryTail), tail.subspan(2), whole};
}

bool is(ByteView guid, const Guid& wanted) {
  return std::equal(wanted.begin(), wanted.end(), guid.begin(), guid.end());
}

Result<uint32_t> first_word(const TableEntry& entry, const char* what) {
  if (entry.data.size() >= sizeof(uint32_t)) return load_le<uint32_t>(entry.data.data());
  return corrupt("firmware: table entry \"{}\" has {} bytes", what, entry.data.size());
}

Result<OvmfSectionKind> section_kind(uint32_t number) {
  switch (static_cast<OvmfSectionKind>(number)) {
    case OvmfSectionKind::sec_memory:
    case OvmfSectionKind::secrets:
    case OvmfSectionKind::cpuid:
    case OvmfSectionKind::svsm_caa:
    case OvmfSectionKind::kernel_hashes:
      return static_cast<OvmfSectionKind>(number);
  }
  return corrupt("firmware: SEV metadata: section of unknown kind {:#x}", number);
}

bool is_single_page(OvmfSectionKind kind) {
  return kind == OvmfSectionKind::secrets || kind == OvmfSectionKind::cpuid ||
         kind == OvmfSectionKind::kernel_hashes;
}

Result<OvmfSection> section(ByteView bytes) {
  OvmfSection section{load_le<uint32_t>(&bytes[0]), load_le<uint32_t>(&bytes[4]),
                      TRY(section_kind(load_le<uint32_t>(&bytes[8])))};
  if (section.address % kPageSize != 0 || section.size % kPageSize != 0 || section.size == 0 ||
      section.address + section.size > kAddressSpaceEnd ||
      (is_single_page(section.kind) && section.size != kPageSize)) {
    return corrupt("firmware: SEV metadata: section at {:#x} of {:#x} bytes, kind {:#x}",
                   section.address, section.size, static_cast<uint32_t>(section.kind));
  }
  return section;
}

// The header's own length covers header and sections.
Result<ByteView> metadata_sections(ByteView image, uint32_t offset_from_end) {
  if (offset_from_end > image.size() || offset_from_end < kMetadataHeader) {
    return corrupt("firmware: SEV metadata {:#x} bytes before the end of {:#x}", offset_from_end,
                   image.size());
  }
  ByteView rest = image.last(offset_from_end);
  auto magic = load_le<uint32_t>(&rest[0]), length = load_le<uint32_t>(&rest[4]),
       version = load_le<uint32_t>(&rest[8]), count = load_le<uint32_t>(&rest[12]);
  if (magic != kMetadataMagic || version != kMetadataVersion) {
    return corrupt("firmware: SEV metadata: magic {:#x}, version {}", magic, version);
  }
  uint64_t needed = kMetadataHeader + uint64_t{count} * kSectionBytes;
  if (count > kMaxOvmfSections || length < needed || length > rest.size()) {
    return corrupt("firmware: SEV metadata: {} sections in {} bytes", count, length);
  }
  return rest.subspan(kMetadataHeader, count * kSectionBytes);
}

Result<std::vector<OvmfSection>> parse_metadata(ByteView image, uint32_t offset_from_end) {
  std::vector<OvmfSection> sections;
  uint64_t bytes = 0;
  ByteView rest = TRY(metadata_sections(image, offset_from_end));
  for (; !rest.empty(); rest = rest.subspan(kSectionBytes)) {
    sections.push_back(TRY(section(rest.first(kSectionBytes))));
    bytes += sections.back().size;
  }
  if (bytes <= kMaxOvmfSectionBytes) return sections;
  return corrupt("firmware: SEV metadata: sections of {:#x} bytes in all", bytes);
}

Result<void> take_entry(const TableEntry& entry, Ovmf* ovmf) {
  if (is(entry.guid, kResetBlock)) {
    ovmf->reset_address = TRY(first_word(entry, "SEV-ES reset block"));
  } else if (is(entry.guid, kHashTable)) {
    // Address 0 means that the image checks no hashes.
    auto address = TRY(first_word(entry, "SEV hash table"));
    if (address > kAddressSpaceEnd - kHashTableBytes)
      return corrupt("firmware: SEV hash table at {:#x}", address);
    ovmf->hash_table_address = address == 0 ? std::nullopt : std::optional(address);
  } else if (is(entry.guid, kSevMetadata)) {
    ovmf->sections = TRY(parse_metadata(ovmf->image, TRY(first_word(entry, "SEV metadata"))));
  }
  return {};
}

// The table without its footer; empty when there is none.
Result<ByteView> find_table(ByteView image) {
  ByteView up_to_footer = image.first(image.size() - kResetVectorBytes);
  ByteView footer = up_to_footer.last(kEntryTail);
  if (!is(footer.subspan(2), kTableFooter)) return ByteView();
  return TRY(last_entry(up_to_footer)).data;
}

// An entry that occurs twice would be one firmware to us and another to the next reader.
Result<void> check_new(std::vector<ByteView>* seen, ByteView guid) {
  auto same = [guid](ByteView other) { return std::ranges::equal(other, guid); };
  if (seen->size() >= kMaxOvmfTableEntries || std::ranges::any_of(*seen, same)) {
    return corrupt("firmware: table: entry {} occurs twice, or is one too many", to_hex(guid));
  }
  seen->push_back(guid);
  return {};
}

Result<void> walk_table(ByteView table, Ovmf* ovmf) {
  std::vector<ByteView> seen;
  while (table.size() >= kEntryTail) {
    auto entry = TRY(last_entry(table));
    TRY(check_new(&seen, entry.guid));
    TRY(take_entry(entry, ovmf));
    table = table.first(table.size() - entry.whole);
  }
  return {};
}

}  // namespace

bool Ovmf::has(OvmfSectionKind kind) const {
  return std::ranges::any_of(sections,
                             [kind](const auto& section) { return section.kind == kind; });
}

Result<Ovmf> parse_ovmf(Bytes image) {
  if (image.empty() || image.size() % kPageSize != 0 || image.size() > kMaxOvmfBytes) {
    return corrupt("firmware of {} bytes: not a multiple of {}, or not of 1 to {}", image.size(),
                   kPageSize, kMaxOvmfBytes);
  }
  Ovmf ovmf;
  ovmf.image = std::move(image);
  TRY(walk_table(TRY(find_table(ovmf.image)), &ovmf));
  return ovmf;
}

}  // namespace bartizan::plan::tee::snp
