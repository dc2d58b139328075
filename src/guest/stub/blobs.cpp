#include "guest/stub/blobs.hpp"

#include <cstring>

#include "guest/stub/platform.hpp"
#include "guest/stub/sha256.hpp"
#include "guest/stub/table.hpp"
#include "guest/stub/tdx.hpp"

namespace bartizan::guest::stub {
namespace {

using guest_abi::StubBlob;
using guest_abi::StubBlobKind;

constexpr uint64_t kChunk = 32 * kKiB;  // hashed while it is in the first-level cache

StubRefusal refusal_of(const StubBlob& blob) {
  switch (static_cast<StubBlobKind>(blob.kind)) {  // check_table() knows these kinds alone
    case StubBlobKind::kernel:
      return StubRefusal::kernel;
    case StubBlobKind::initrd:
      return StubRefusal::initrd;
    case StubBlobKind::command_line:
      return StubRefusal::command_line;
    case StubBlobKind::boot_params:
      return StubRefusal::boot_params;
    case StubBlobKind::launch_secret:
      return StubRefusal::launch_secret;
    case StubBlobKind::acpi:
      break;
  }
  return StubRefusal::acpi;
}

void copy_and_hash(const StubBlob& blob, bool instructions, uint8_t digest[kSha256Bytes]) {
  Sha256 hash(instructions);
  uint8_t* to = platform::memory(blob.destination);
  for (uint64_t done = 0; done < blob.size;) {
    uint64_t part = blob.size - done < kChunk ? blob.size - done : kChunk;
    if (blob.source != 0) std::memcpy(to + done, platform::memory(blob.source + done), part);
    hash.update(to + done, part);  // of the private copy: the source may have changed since
    done += part;
  }
  hash.finish(digest);
  if (blob.source != 0) std::memset(to + blob.size, 0, page_up(blob.size) - blob.size);
}

// As if no secret had been written into it; what surrounds the secret is what the kernel parses.
void hash_without_secret(const StubBlob& blob, bool instructions, uint8_t digest[kSha256Bytes]) {
  constexpr uint64_t kEnd = guest_abi::kStubSecretOffset + guest_abi::kStubSecretBytes;
  const uint8_t zeros[64] = {};
  static_assert(guest_abi::kStubSecretBytes % sizeof zeros == 0);
  Sha256 hash(instructions);
  const uint8_t* page = platform::memory(blob.destination);
  hash.update(page, guest_abi::kStubSecretOffset);
  for (uint64_t at = guest_abi::kStubSecretOffset; at < kEnd; at += sizeof zeros)
    hash.update(zeros, sizeof zeros);
  hash.update(page + kEnd, blob.size - kEnd);
  hash.finish(digest);
}

// {SHA-256, 16 zero bytes}
StubRefusal extend(const StubBlob& blob) {
  alignas(64) uint8_t buffer[64] = {};
  std::memcpy(buffer, blob.sha256, sizeof blob.sha256);
  uint32_t rtmr = guest_abi::stub_rtmr_of(static_cast<StubBlobKind>(blob.kind));
  uint32_t status = tdx_extend(reinterpret_cast<uint64_t>(buffer), rtmr);
  return status == 0 ? kDone : StubRefusal::rtmr;
}

StubRefusal take_blob(const StubTable& table, const StubBlob& blob, const Processor& processor) {
  uint8_t digest[kSha256Bytes];
  if (blob.kind == static_cast<uint32_t>(StubBlobKind::launch_secret))
    hash_without_secret(blob, processor.sha_instructions, digest);
  else
    copy_and_hash(blob, processor.sha_instructions, digest);
  if (std::memcmp(digest, blob.sha256, sizeof digest) != 0) return refusal_of(blob);
  return platform_of(table) == StubPlatform::tdx ? extend(blob) : kDone;
}

}  // namespace

StubRefusal take_blobs(const StubTable& table, const Processor& processor) {
  for (uint32_t i = 0; i < table.blob_count; i++) {
    StubRefusal why = take_blob(table, table.blobs[i], processor);
    if (why != kDone) return why;
  }
  return kDone;
}

}  // namespace bartizan::guest::stub
