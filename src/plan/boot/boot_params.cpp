#include "plan/boot/boot_params.hpp"

#include <algorithm>

#include "base/guest_address.hpp"
#include "base/units.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

constexpr size_t kAcpiRsdpAddr = 0x070, kExtRamdiskImage = 0x0c0, kExtRamdiskSize = 0x0c4,
                 kExtCmdLinePtr = 0x0c8, kE820Entries = 0x1e8, kTypeOfLoader = 0x210,
                 kRamdiskImage = 0x218, kRamdiskSize = 0x21c, kCmdLinePtr = 0x228,
                 kSetupData = 0x250, kE820Table = 0x2d0;
constexpr size_t kE820EntryBytes = 20;
constexpr uint8_t kUnregisteredLoader = 0xff;

// struct setup_data (bootparam.h) and struct cc_blob_sev_info (arch/x86/include/asm/sev.h), which
// lies behind it.
constexpr size_t kNodeType = 8, kNodeLength = 12, kNodeData = 16, kBlobOffset = 64;
constexpr uint32_t kSetupCcBlob = 7;
constexpr size_t kBlobBytes = 40;
constexpr uint32_t kBlobMagic = 0x45444d41;  // "AMDE"

// A 64-bit value whose halves lie apart.
void set_halves(Bytes* page, size_t low, size_t high, uint64_t value) {
  store_le(page->data() + low, static_cast<uint32_t>(value));
  store_le(page->data() + high, static_cast<uint32_t>(value >> 32));
}

}  // namespace

std::vector<E820Entry> memory_map(uint64_t ram_bytes) {
  const std::vector<RamRegion> ram = ram_regions(ram_bytes, guest_abi::StubPlatform::none);
  std::vector<E820Entry> map = {
      {0, kAcpiAddress, E820Type::ram},
      {kAcpiAddress, kAcpiEnd - kAcpiAddress, E820Type::acpi},
      {guest_abi::kStubAddress, guest_abi::kStubReservedEnd - guest_abi::kStubAddress,
       E820Type::nvs},
      {guest_abi::kStubReservedEnd, kLowRamEnd - guest_abi::kStubReservedEnd, E820Type::ram},
      {kRamAbove1MiB, ram[0].size - kRamAbove1MiB, E820Type::ram},
  };
  if (ram.size() > 1) map.push_back({ram[1].base.value, ram[1].size, E820Type::ram});
  return map;
}

Bytes boot_params(const BootParamsInput& input) {
  Bytes page(kPageSize);
  const auto& header = input.kernel->setup_header;
  std::copy(header.begin(), header.end(), page.begin() + kSetupHeaderOffset);
  page[kTypeOfLoader] = kUnregisteredLoader;
  store_le(&page[kAcpiRsdpAddr], kAcpiAddress);
  set_halves(&page, kCmdLinePtr, kExtCmdLinePtr, kCommandLineAddress);
  set_halves(&page, kRamdiskImage, kExtRamdiskImage, input.initrd_address);
  set_halves(&page, kRamdiskSize, kExtRamdiskSize, input.initrd_size);
  store_le(&page[kSetupData], input.setup_data);
  auto map = memory_map(input.ram_bytes);
  page[kE820Entries] = static_cast<uint8_t>(map.size());
  for (size_t i = 0; i < map.size(); i++) {
    uint8_t* entry = &page[kE820Table + i * kE820EntryBytes];
    store_le(entry, map[i].address);
    store_le(entry + 8, map[i].size);
    store_le(entry + 16, static_cast<uint32_t>(map[i].type));
  }
  return page;
}

Bytes snp_hand_over() {
  Bytes page(kBlobOffset + kBlobBytes);
  store_le(&page[kNodeType], kSetupCcBlob);
  store_le<uint32_t>(&page[kNodeLength], 4);
  store_le(&page[kNodeData], static_cast<uint32_t>(guest_abi::kSnpHandOverAddress + kBlobOffset));
  uint8_t* blob = &page[kBlobOffset];
  store_le(blob, kBlobMagic);
  store_le<uint16_t>(blob + 4, 1);  // version
  store_le(blob + 8, guest_abi::kSnpSecretsAddress);
  store_le<uint32_t>(blob + 16, kPageSize);
  store_le(blob + 24, guest_abi::kSnpCpuidAddress);
  store_le<uint32_t>(blob + 32, kPageSize);
  return page;
}

}  // namespace bartizan::plan::boot
