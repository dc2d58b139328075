#include "unit/guest/stub/launch.hpp"

#include <openssl/sha.h>

#include <cstring>

#include "base/bytes.hpp"

namespace bartizan::guest::stub::test {
namespace {

using guest_abi::StubBlob;
using guest_abi::StubBlobKind;
using guest_abi::StubPlatform;

Bytes content(const StubBlob& blob) {
  Bytes bytes(blob.size);
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = static_cast<uint8_t>(i * 7 + i / 256 + blob.kind);
  return bytes;
}

StubBlob blob(StubBlobKind kind, uint64_t source, uint64_t destination, uint64_t size) {
  StubBlob made{static_cast<uint32_t>(kind), 0, source, destination, size, {}};
  SHA256(content(made).data(), size, made.sha256);
  return made;
}

// SNP firmware ABI, CPUID page.
void put_cpuid_page(PlatformDouble* machine) {
  uint8_t* page = machine->at(guest_abi::kSnpCpuidAddress);
  store_le<uint32_t>(page, static_cast<uint32_t>(machine->cpuid_ebx.size()));
  for (uint8_t* entry = page + 16; auto [leaf, ebx] : machine->cpuid_ebx) {
    store_le<uint32_t>(entry, leaf);
    store_le<uint32_t>(entry + 28, ebx);
    entry += 48;
  }
}

}  // namespace

guest_abi::StubTable good_table(StubPlatform platform) {
  guest_abi::StubTable table{};
  table.magic = guest_abi::kStubMagic;
  table.version = guest_abi::kStubTableVersion;
  table.platform = static_cast<uint32_t>(platform);
  table.address_bit = platform == StubPlatform::none ? 0 : kBit;
  table.vcpus = 2;
  table.kernel_entry = kKernelEntry;
  table.boot_params = 0x7000;
  table.blob_count = 5;
  table.blobs[kKernel] = blob(StubBlobKind::kernel, guest_abi::kStagingFirst, 0x1000000, 70'001);
  table.blobs[kInitrd] =
      blob(StubBlobKind::initrd, guest_abi::kStagingFirst + 0x20000, 0x2000000, 4096);
  table.blobs[kCommandLine] = blob(StubBlobKind::command_line, 0, 0x20000, 15);
  table.blobs[kBootParams] = blob(StubBlobKind::boot_params, 0, 0x7000, 4096);
  table.blobs[kAcpi] = blob(StubBlobKind::acpi, 0, 0x40000, 5000);
  if (platform == StubPlatform::snp || platform == StubPlatform::tdx) {
    table.range_count = 4;
    table.ranges[0] = {0, 1};
    table.ranges[1] = {0x100000, 0x100 + 2 * 512 + 1};  // pages up to 2 MiB, two large ones, a page
    table.ranges[2] = {0x1000000, 16 * 512};
    table.ranges[3] = {0x17fe00000, 1024};  // over a GiB's end, above 4 GiB
  }
  return table;
}

void prepare(PlatformDouble* machine, StubPlatform platform) {
  machine->table() = good_table(platform);
  for (const StubBlob& blob : machine->table().blobs) {
    if (blob.size == 0) continue;
    Bytes bytes = content(blob);
    std::memcpy(machine->at(blob.source != 0 ? blob.source : blob.destination), bytes.data(),
                bytes.size());
  }
  machine->sev_status = platform == StubPlatform::snp      ? 7
                        : platform == StubPlatform::sev_es ? 3
                                                           : 1;
  machine->cpuid_ebx = {{7, 0}, {0x8000001f, 1u << 6 | kBit | 1u << 31}};
  if (platform == StubPlatform::snp) put_cpuid_page(machine);
}

}  // namespace bartizan::guest::stub::test
