#include "guest_abi/launch_secret.hpp"

#include <algorithm>
#include <array>

#include "base/errors.hpp"

namespace bartizan::guest_abi {
namespace {

constexpr const char* kOrigin = "guest_abi/launch_secret";

using Guid = std::array<uint8_t, 16>;  // as EFI stores them: the first three fields little endian
constexpr Guid kTable = {0x42, 0xf5, 0x74, 0x1e, 0xdd, 0x71, 0x66, 0x4d,
                         0x96, 0x3e, 0xef, 0x42, 0x87, 0xff, 0x17, 0x3b};
constexpr Guid kPassphrase = {0xe5, 0x69, 0x68, 0x73, 0xf0, 0x84, 0x73, 0x49,
                              0x92, 0xec, 0x06, 0x87, 0x9c, 0xe3, 0xda, 0x0b};
constexpr Guid kDigest = {0x8c, 0x6b, 0x4d, 0xbf, 0x0e, 0x9c, 0x52, 0x4a,
                          0x8d, 0x9f, 0x64, 0xb2, 0xc1, 0xd0, 0xe7, 0xa3};
constexpr size_t kEntryHeader = sizeof(Guid) + sizeof(uint32_t);

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, kOrigin, "launch secret: {}", what);
}

// Where an entry's content goes in a table that is written from front to back.
std::span<uint8_t> put_header(std::span<uint8_t> to, const Guid& guid, size_t size) {
  std::ranges::copy(guid, to.begin());
  store_le(to.data() + sizeof guid, static_cast<uint32_t>(size));
  return to.subspan(kEntryHeader);
}

std::span<uint8_t> put_entry(std::span<uint8_t> to, const Guid& guid, ByteView content) {
  to = put_header(to, guid, kEntryHeader + content.size());
  std::ranges::copy(content, to.begin());
  return to.subspan(content.size());
}

bool starts_with(ByteView bytes, const Guid& guid) {
  return std::ranges::equal(bytes.first(sizeof guid), guid);
}

// The size that a header states, if it is within what there is.
Result<size_t> stated_size(ByteView at, std::string_view of) {
  size_t size = at.size() < kEntryHeader ? 0 : load_le<uint32_t>(at.data() + sizeof(Guid));
  if (size >= kEntryHeader && size <= at.size()) return size;
  return corrupt(fmt::format("{} of {} bytes in {}", of, size, at.size()));
}

struct Entries {
  std::optional<ByteView> digest, disk_key;
};

Result<void> take(const Guid& guid, ByteView entry, std::optional<ByteView>& to) {
  if (!starts_with(entry, guid)) return {};
  if (to) return corrupt("an entry occurs twice");
  to = entry.subspan(kEntryHeader);
  return {};
}

}  // namespace

Result<SecretBytes> write_launch_secret(const LaunchSecret& secret) {
  const size_t size = 3 * kEntryHeader + secret.workload_digest.size() + secret.disk_key.size();
  if (size > kLaunchSecretBytes) {
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "launch secret: a disk key of {} bytes makes {}: {} is the most",
                      secret.disk_key.size(), size, kLaunchSecretBytes);
  }
  SecretBytes table(size);
  auto rest = put_header(table.mutable_bytes(), kTable, size);
  rest = put_entry(rest, kDigest, secret.workload_digest);
  put_entry(rest, kPassphrase, secret.disk_key.bytes());
  return table;
}

Result<std::optional<LaunchSecret>> parse_launch_secret(ByteView bytes) {
  if (std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; }))
    return std::optional<LaunchSecret>();
  const size_t size = TRY(stated_size(bytes, "table"));
  if (!starts_with(bytes, kTable)) return corrupt("no table of secrets");
  Entries found;
  ByteView rest = bytes.first(size).subspan(kEntryHeader);
  if (!std::ranges::all_of(bytes.subspan(size), [](uint8_t byte) { return byte == 0; }))
    return corrupt("something follows the table of secrets");
  while (!rest.empty()) {
    ByteView entry = rest.first(TRY(stated_size(rest, "entry")));
    TRY(take(kDigest, entry, found.digest));
    TRY(take(kPassphrase, entry, found.disk_key));
    rest = rest.subspan(entry.size());
  }
  LaunchSecret secret;
  if (!found.digest || found.digest->size() != secret.workload_digest.size())
    return corrupt("no workload digest of 32 bytes in it");
  if (!found.disk_key || found.disk_key->empty()) return corrupt("no disk key in it");
  std::ranges::copy(*found.digest, secret.workload_digest.begin());
  secret.disk_key = SecretBytes(*found.disk_key);
  return std::optional(std::move(secret));
}

}  // namespace bartizan::guest_abi
