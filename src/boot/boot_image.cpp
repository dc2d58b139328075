#include "boot/boot_image.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "boot/acpi.hpp"
#include "boot/boot_params.hpp"
#include "boot/bzimage.hpp"
#include "boot/layout.hpp"
#include "boot/page_tables.hpp"

namespace bartizan::boot {
namespace {

constexpr const char* kOrigin = "boot/boot_image";
constexpr uint64_t kInitrdAlignment = 2ull << 20;

BootChunk chunk(uint64_t address, std::string what, Bytes bytes) {
  auto shared = std::make_shared<const Bytes>(std::move(bytes));
  return {{address}, std::move(what), align_up(shared->size(), memory::kPageSize), shared};
}

// The initrd lies behind all that the kernel may touch before it knows of it.
Result<uint64_t> place_initrd(const KernelImage& kernel, uint64_t size, uint64_t ram_bytes) {
  uint64_t address = align_up(kernel.load_address + kernel.init_size, kInitrdAlignment);
  uint64_t end = align_up(address + size, memory::kPageSize);
  if (end > std::min(ram_bytes, kMmioHoleStart)) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{} MiB of RAM are too few for this kernel and initrd: they need {} MiB",
                      ram_bytes >> 20, (end + (1 << 20) - 1) >> 20);
  }
  if (end - 1 > kernel.initrd_address_max) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "kernel {} takes no initrd beyond {:#x}, and this one would end at {:#x}",
                      kernel.release, kernel.initrd_address_max, end);
  }
  return address;
}

Result<void> check(const BootInput& input, const KernelImage& kernel) {
  if (input.vcpus < 1 || input.vcpus > kMaxVcpus) {
    return make_error(ErrorCode::invalid_argument, kOrigin, "{} vCPUs: 1 to {} are possible",
                      input.vcpus, kMaxVcpus);
  }
  if (input.command_line.size() > kernel.command_line_max) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "kernel command line: {} bytes, kernel {} takes {}",
                      input.command_line.size(), kernel.release, kernel.command_line_max);
  }
  return {};
}

Bytes text_page(std::string_view text) {
  Bytes bytes(text.begin(), text.end());
  bytes.push_back(0);
  return bytes;
}

Bytes payload_of(const Bytes& file, const KernelImage& kernel) {
  auto first = file.begin() + static_cast<ptrdiff_t>(kernel.payload_offset);
  return {first, first + static_cast<ptrdiff_t>(kernel.payload_size)};
}

}  // namespace

Result<BootImage> make_boot_image(const BootInput& input) {
  auto kernel = TRY(parse_bzimage(*input.kernel));
  TRY(check(input, kernel));
  uint64_t initrd_size = input.initrd->size();
  uint64_t initrd_address = TRY(place_initrd(kernel, initrd_size, input.ram_bytes));

  BootImage image;
  auto add = [&](BootChunk&& part) { image.chunks.push_back(std::move(part)); };
  add(chunk(kGdtAddress, "gdt", boot_gdt()));
  add(chunk(kBootParamsAddress, "boot_params",
            boot_params({&kernel, initrd_address, initrd_size, input.ram_bytes})));
  add(chunk(kPageTablesAddress, "page_tables",
            identity_page_tables(kPageTablesAddress, input.c_bit)));
  add(chunk(kCommandLineAddress, "command_line", text_page(input.command_line)));
  add(chunk(kAcpiAddress, "acpi", acpi_tables(kAcpiAddress, input.vcpus)));
  add(chunk(kernel.load_address, "kernel", payload_of(*input.kernel, kernel)));
  if (initrd_size != 0) {
    add({{initrd_address}, "initrd", align_up(initrd_size, memory::kPageSize), input.initrd});
  }
  image.entry = kernel.load_address + kEntry64Offset;
  return image;
}

}  // namespace bartizan::boot
