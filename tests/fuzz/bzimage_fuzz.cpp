// A hostile bzImage: what parses must stay inside the file and inside the bounds that the loader
// relies on.
#include <cstdlib>

#include "plan/boot/boot_image.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/boot/layout.hpp"

namespace {
const bartizan::Bytes kStub(100);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bartizan;  // NOLINT
  auto image = plan::boot::parse_bzimage({data, size});
  if (!image.ok()) return 0;
  if (image->payload_offset + image->payload_size > size) std::abort();
  if (image->load_address + image->init_size < image->load_address) std::abort();
  if (image->release.find('/') != std::string::npos) std::abort();
  plan::boot::BootInput input{std::make_shared<const Bytes>(data, data + size),
                              std::make_shared<const Bytes>(Bytes(100)),
                              "quiet",
                              1,
                              256 << 20,
                              guest_abi::StubPlatform::snp,
                              51,
                              kStub};
  auto laid_out = plan::boot::make_boot_image(input);
  if (!laid_out.ok()) return 0;
  uint64_t end = 0;
  for (const auto& item : laid_out->items) {
    if (item.address.value < end || (item.bytes && item.bytes->size() > item.size)) std::abort();
    end = item.address.value + item.size;
  }
  if (end > input.ram_bytes) std::abort();
  for (uint32_t i = 0; i < laid_out->table.blob_count; i++) {
    const auto& blob = laid_out->table.blobs[i];
    if (blob.destination + blob.size > input.ram_bytes) std::abort();
    if (blob.source != 0 && blob.source + blob.size > guest_abi::kStagingEnd) std::abort();
  }
  return 0;
}
