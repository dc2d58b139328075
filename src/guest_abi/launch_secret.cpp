#include "guest_abi/launch_secret.hpp"

#include <algorithm>

#include "base/errors.hpp"
#include "base/guid.hpp"

namespace bartizan::guest_abi {
namespace {

constexpr const char* kOrigin = "guest_abi/launch_secret";

constexpr Guid kTable = guid("1e74f542-71dd-4d66-963e-ef4287ff173b");
constexpr Guid kPassphrase = guid("736869e5-84f0-4973-92ec-06879ce3da0b");
constexpr Guid kDigest = guid("bf4d6b8c-9c0e-4a52-8d9f-64b2c1d0e7a3");
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
