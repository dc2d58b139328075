#include "plan/boot/boot_image.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "base/units.hpp"
#include "plan/boot/acpi.hpp"
#include "plan/boot/boot_params.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/boot/launch_table.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

constexpr const char* kOrigin = "plan/boot/boot_image";
constexpr uint64_t kInitrdAlignment = kLargePageSize;

// The initrd lies behind all that the kernel may touch before it knows of it.
Result<uint64_t> place_initrd(const KernelImage& kernel, uint64_t size, uint64_t ram_bytes) {
  uint64_t address = align_up(kernel.load_address + kernel.init_size, kInitrdAlignment);
  uint64_t end = align_up(address + size, kPageSize);
  if (end > std::min(ram_bytes, kMmioHoleStart)) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{} MiB of RAM are too few for this kernel and initrd: they need {} MiB",
                      ram_bytes / kMiB, (end + kMiB - 1) / kMiB);
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
    return make_error(ErrorCode::invalid_argument, kOrigin, "vCPU count {} out of range 1 to {}",
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

// The 32-bit reset vector of a TD: jumps to the stub, and touches no register.
Bytes reset_page() {
  constexpr uint8_t kJumpNear = 0xe9;  // followed by the distance from the next instruction
  Bytes page(guest_abi::kTdxResetVector - guest_abi::kTdxResetPage + 5);
  uint8_t* jump = &page[guest_abi::kTdxResetVector - guest_abi::kTdxResetPage];
  jump[0] = kJumpNear;
  store_le(jump + 1, static_cast<uint32_t>(guest_abi::kStubAddress + guest_abi::kStubEntry32 -
                                           (guest_abi::kTdxResetVector + 5)));
  return page;
}

// Lays the parts out one after the other; the table comes last, because it names all others.
class Builder {
 public:
  Builder(const BootInput& input, const KernelImage& kernel) : input_(input), kernel_(kernel) {}
  Result<BootImage> build();

 private:
  bool is(guest_abi::StubPlatform platform) const { return input_.platform == platform; }
  void add(uint64_t address, std::string what, Bytes bytes);
  void add_blank(uint64_t address, tee::PageKind kind, std::string what, uint64_t size);
  void add_blob(guest_abi::StubBlobKind kind, uint64_t address, std::string what, Bytes bytes);
  Result<void> stage(guest_abi::StubBlobKind kind, uint64_t destination, std::string what,
                     std::shared_ptr<const Bytes> bytes);
  Result<void> stage_kernel_and_initrd();
  void add_snp_pages();
  void add_boot_data();
  void add_secret_segment();
  Result<void> add_stub();
  void add_stub_memory();
  Result<void> add_table();

  const BootInput& input_;
  const KernelImage& kernel_;
  // Both one initramfs to the kernel: the secret's segment, then the initrd.
  uint64_t initramfs_address_ = 0, initrd_address_ = 0;
  uint64_t staging_end_ = guest_abi::kStagingFirst;
  std::vector<TableBlob> blobs_;
  BootImage image_;
};

void Builder::add(uint64_t address, std::string what, Bytes bytes) {
  auto shared = std::make_shared<const Bytes>(std::move(bytes));
  uint64_t size = align_up(shared->size(), kPageSize);
  image_.items.push_back(
      {{address}, tee::PageKind::normal, std::move(what), size, std::move(shared)});
}

void Builder::add_blank(uint64_t address, tee::PageKind kind, std::string what, uint64_t size) {
  image_.items.push_back({{address}, kind, std::move(what), size, nullptr});
}

void Builder::add_blob(guest_abi::StubBlobKind kind, uint64_t address, std::string what,
                       Bytes bytes) {
  add(address, std::move(what), std::move(bytes));
  blobs_.push_back({kind, 0, address, *image_.items.back().bytes});
}

Result<void> Builder::stage(guest_abi::StubBlobKind kind, uint64_t destination, std::string what,
                            std::shared_ptr<const Bytes> bytes) {
  uint64_t end = staging_end_ + align_up(bytes->size(), kPageSize);
  if (end > guest_abi::kStagingEnd) {
    return make_error(ErrorCode::invalid_argument, kOrigin,
                      "{} of {} MiB: kernel and initrd together may have {} MiB", what,
                      bytes->size() / kMiB,
                      (guest_abi::kStagingEnd - guest_abi::kStagingFirst) / kMiB);
  }
  blobs_.push_back({kind, staging_end_, destination, *bytes});
  image_.staged.push_back({{staging_end_}, std::move(what), std::move(bytes)});
  staging_end_ = end;
  return {};
}

Result<void> Builder::stage_kernel_and_initrd() {
  auto payload = std::make_shared<const Bytes>(payload_of(*input_.kernel, kernel_));
  TRY(stage(guest_abi::StubBlobKind::kernel, kernel_.load_address, "kernel", std::move(payload)));
  if (input_.initrd->empty()) return {};
  return stage(guest_abi::StubBlobKind::initrd, initrd_address_, "initrd", input_.initrd);
}

void Builder::add_snp_pages() {
  if (!is(guest_abi::StubPlatform::snp)) return;
  add_blank(guest_abi::kSnpCpuidAddress, tee::PageKind::cpuid, "cpuid", kPageSize);
  add_blank(guest_abi::kSnpSecretsAddress, tee::PageKind::secrets, "secrets", kPageSize);
  add(guest_abi::kSnpHandOverAddress, "hand_over", snp_hand_over());
}

void Builder::add_boot_data() {
  uint64_t setup_data = is(guest_abi::StubPlatform::snp) ? guest_abi::kSnpHandOverAddress : 0;
  uint64_t mailbox = is(guest_abi::StubPlatform::tdx) ? guest_abi::kStubMailboxAddress : 0;
  uint64_t initramfs_size = initrd_address_ - initramfs_address_ + input_.initrd->size();
  auto params =
      boot_params({&kernel_, initramfs_address_, initramfs_size, input_.ram_bytes, setup_data});
  add_blob(guest_abi::StubBlobKind::boot_params, kBootParamsAddress, "boot_params",
           std::move(params));
  add_blob(guest_abi::StubBlobKind::command_line, kCommandLineAddress, "command_line",
           text_page(input_.command_line));
  add_blob(guest_abi::StubBlobKind::acpi, kAcpiAddress, "acpi",
           acpi_tables(kAcpiAddress, input_.vcpus, mailbox));
}

void Builder::add_secret_segment() {
  if (input_.secret_segment.empty()) return;
  add_blob(guest_abi::StubBlobKind::launch_secret, initramfs_address_, "launch_secret",
           input_.secret_segment);
  image_.secret_segment = initramfs_address_;
}

Result<void> Builder::add_stub() {
  if (input_.stub.empty() || input_.stub.size() > guest_abi::kStubMaxBytes) {
    return make_error(ErrorCode::internal, kOrigin, "boot stub size {} out of range 1 to {}",
                      input_.stub.size(), guest_abi::kStubMaxBytes);
  }
  add(guest_abi::kStubAddress, "stub", Bytes(input_.stub.begin(), input_.stub.end()));
  return {};
}

// Loaded, because the stub needs it before it can validate anything.
void Builder::add_stub_memory() {
  auto bit = address_bit(input_.platform, input_.address_bit);
  add_blank(guest_abi::kStubMailboxAddress, tee::PageKind::zero, "mailbox", kPageSize);
  add_blank(guest_abi::kStubStackAddress, tee::PageKind::zero, "stack", kPageSize);
  add(guest_abi::kStubPageTables, "page_tables",
      identity_page_tables(guest_abi::kStubPageTables, bit));
  add_blank(guest_abi::kStubPageTables + kPageTablesBytes, tee::PageKind::zero, "spare_tables",
            guest_abi::kStubPageTablesEnd - guest_abi::kStubPageTables - kPageTablesBytes);
  if (is(guest_abi::StubPlatform::tdx)) add(guest_abi::kTdxResetPage, "reset_vector", reset_page());
}

// At its place in the order of addresses: behind the stub.
Result<void> Builder::add_table() {
  add(guest_abi::kStubTableAddress, "launch_table", Bytes(sizeof(guest_abi::StubTable)));
  std::ranges::sort(image_.items, {}, &tee::PlanItem::address);
  std::vector<LoadedRange> loaded;
  for (const auto& item : image_.items) loaded.push_back({item.address.value, item.size});
  uint64_t entry = kernel_.load_address + kEntry64Offset;
  image_.table =
      TRY(launch_table({input_.platform, input_.address_bit, input_.vcpus, entry, input_.ram_bytes},
                       blobs_, loaded));
  auto place = std::ranges::find(image_.items, "launch_table", &tee::PlanItem::what);
  place->bytes = std::make_shared<const Bytes>(bytes_of(image_.table));
  return {};
}

Result<BootImage> Builder::build() {
  const uint64_t segment = align_up(input_.secret_segment.size(), kPageSize);
  initramfs_address_ =
      TRY(place_initrd(kernel_, segment + input_.initrd->size(), input_.ram_bytes));
  initrd_address_ = initramfs_address_ + segment;
  TRY(stage_kernel_and_initrd());
  add_snp_pages();
  add_boot_data();
  add_secret_segment();
  TRY(add_stub());
  add_stub_memory();
  TRY(add_table());
  return std::move(image_);
}

}  // namespace

AddressBit address_bit(guest_abi::StubPlatform platform, uint8_t position) {
  if (platform == guest_abi::StubPlatform::none) return {};
  bool tdx = platform == guest_abi::StubPlatform::tdx;
  return {tdx ? AddressBit::Means::shared : AddressBit::Means::private_, position};
}

Result<BootImage> make_boot_image(const BootInput& input) {
  auto kernel = TRY(parse_bzimage(*input.kernel));
  TRY(check(input, kernel));
  return Builder(input, kernel).build();
}

}  // namespace bartizan::plan::boot
