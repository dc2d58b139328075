#include "plan/tee/snp/kernel_hashes.hpp"

#include <algorithm>
#include <string>

#include "base/guid.hpp"

namespace bartizan::plan::tee::snp {
namespace {

constexpr Guid kTable = guid("9438d606-4f22-4cc9-b479-a793d411fd21");
constexpr Guid kKernel = guid("4de79437-abd2-427f-b835-d5b172d2045b");
constexpr Guid kInitrd = guid("44baf731-3a2f-4bd7-9af1-41e29169781d");
constexpr Guid kCommandLine = guid("97d02dd8-bd20-4c94-aa78-e7714d36ab2a");

// An entry and the table alike: GUID, u16 length of all of it, content.
constexpr size_t kHeader = 18, kEntry = kHeader + 32, kTableLength = kHeader + 3 * kEntry;
static_assert(kTableLength == 168 && kHashTableBytes == (kTableLength + 15) / 16 * 16);

void put_header(uint8_t* to, const Guid& name, size_t length) {
  std::copy(name.begin(), name.end(), to);
  store_le(to + name.size(), static_cast<uint16_t>(length));
}

void put_entry(uint8_t* to, const Guid& name, const crypto::Sha256Digest& hash) {
  put_header(to, name, kEntry);
  std::copy(hash.begin(), hash.end(), to + kHeader);
}

}  // namespace

KernelHashes KernelHashes::of(ByteView kernel, ByteView initrd, std::string_view command_line) {
  const std::string with_end(command_line);
  ByteView line(reinterpret_cast<const uint8_t*>(with_end.c_str()), with_end.size() + 1);
  return {crypto::sha256(kernel), crypto::sha256(initrd), crypto::sha256(line)};
}

std::array<uint8_t, kHashTableBytes> hash_table(const KernelHashes& hashes) {
  std::array<uint8_t, kHashTableBytes> table{};
  put_header(table.data(), kTable, kTableLength);
  put_entry(&table[kHeader], kCommandLine, hashes.command_line);
  put_entry(&table[kHeader + kEntry], kInitrd, hashes.initrd);
  put_entry(&table[kHeader + 2 * kEntry], kKernel, hashes.kernel);
  return table;
}

}  // namespace bartizan::plan::tee::snp
