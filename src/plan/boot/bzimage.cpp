#include "plan/boot/bzimage.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/errors.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

constexpr const char* kOrigin = "plan/boot/bzimage";

// Offsets in the file (boot.rst, "The Real-Mode Kernel Header").
constexpr size_t kSetupSects = 0x1f1, kSyssize = 0x1f4, kBootFlag = 0x1fe, kHeaderLength = 0x201,
                 kMagic = 0x202, kVersion = 0x206, kKernelVersion = 0x20e, kLoadFlags = 0x211,
                 kInitrdAddrMax = 0x22c, kKernelAlignment = 0x230, kXloadFlags = 0x236,
                 kCmdlineSize = 0x238, kPrefAddress = 0x258, kInitSize = 0x260;
constexpr size_t kHeaderEnd = 0x268;     // last byte that protocol 2.12 defines, plus one
constexpr size_t kHeaderEndMax = 0x290;  // boot_params' edd_mbr_sig_buffer begins here
constexpr uint32_t kHdrS = 0x53726448;
constexpr uint16_t kOldestProtocol = 0x20c;  // 2.12 brought xloadflags
constexpr uint8_t kLoadedHigh = 1;
constexpr uint16_t kXlfKernel64 = 1;
constexpr size_t kMaxReleaseText = 256;

Error corrupt(std::string_view what, uint64_t value) {
  return make_error(ErrorCode::corrupt, kOrigin, "kernel: {} {:#x}", what, value);
}

Result<void> check_identity(ByteView file) {
  if (file.size() < 2 * kSectorSize) {
    return make_error(ErrorCode::corrupt, kOrigin, "kernel: {} bytes are too few for a bzImage",
                      file.size());
  }
  if (load_le<uint16_t>(&file[kBootFlag]) != 0xaa55 || load_le<uint32_t>(&file[kMagic]) != kHdrS) {
    return make_error(ErrorCode::corrupt, kOrigin,
                      "kernel: not a bzImage (no boot flag or no HdrS signature)");
  }
  auto version = load_le<uint16_t>(&file[kVersion]);
  if (version < kOldestProtocol) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "kernel: boot protocol {}.{:02}, 2.12 or later is needed", version >> 8,
                      version & 0xff);
  }
  if (!(file[kLoadFlags] & kLoadedHigh) ||
      !(load_le<uint16_t>(&file[kXloadFlags]) & kXlfKernel64)) {
    return make_error(ErrorCode::unsupported, kOrigin, "kernel: has no 64-bit entry point");
  }
  return {};
}

Result<void> find_payload(ByteView file, KernelImage* image) {
  uint64_t sectors = file[kSetupSects] == 0 ? 4 : file[kSetupSects];
  image->payload_offset = (sectors + 1) * kSectorSize;
  image->payload_size = uint64_t{load_le<uint32_t>(&file[kSyssize])} * 16;
  if (image->payload_offset >= file.size())
    return corrupt("ends before its payload at", image->payload_offset);
  uint64_t rest = file.size() - image->payload_offset;
  // syssize counts paragraphs; a file may end within the last one.
  if (image->payload_size > align_up(rest, 16))
    return corrupt("truncated: payload size", image->payload_size);
  image->payload_size = std::min(image->payload_size, rest);
  if (image->payload_size <= kEntry64Offset) return corrupt("payload size", image->payload_size);
  return {};
}

Result<void> read_header(ByteView file, KernelImage* image) {
  size_t end = kMagic + file[kHeaderLength];
  if (end < kHeaderEnd || end > kHeaderEndMax) return corrupt("setup header ends at", end);
  image->setup_header.assign(file.begin() + kSetupHeaderOffset,
                             file.begin() + static_cast<ptrdiff_t>(end));
  image->load_address = load_le<uint64_t>(&file[kPrefAddress]);
  image->init_size = load_le<uint32_t>(&file[kInitSize]);
  image->initrd_address_max = load_le<uint32_t>(&file[kInitrdAddrMax]);
  image->command_line_max = load_le<uint32_t>(&file[kCmdlineSize]);
  auto alignment = uint64_t{load_le<uint32_t>(&file[kKernelAlignment])};
  if (alignment < kPageSize || (alignment & (alignment - 1)) != 0)
    return corrupt("alignment", alignment);
  if (image->load_address < kRamAbove1MiB || image->load_address >= kMmioHoleStart ||
      image->load_address % alignment != 0) {
    return corrupt("preferred address", image->load_address);
  }
  if (image->init_size > kMaxKernelInitSize || image->init_size < image->payload_size) {
    return corrupt("init size", image->init_size);
  }
  return {};
}

// The version text lies in the setup sectors, "RELEASE (builder) #1 …".
Result<void> read_release(ByteView file, KernelImage* image) {
  uint64_t start = kSectorSize + load_le<uint16_t>(&file[kKernelVersion]);
  if (start == kSectorSize || start >= image->payload_offset)
    return corrupt("version text at", start);
  uint64_t limit = std::min<uint64_t>(image->payload_offset - start, kMaxReleaseText);
  auto text = as_text(file.subspan(start, limit));
  text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
  // It names a folder under /lib/modules: nothing else may it name.
  bool plain = !text.empty() && text.front() != '.' && text.size() < 128 &&
               std::all_of(text.begin(), text.end(), [](unsigned char c) {
                 return std::isalnum(c) || c == '.' || c == '-' || c == '+' || c == '_' || c == '~';
               });
  if (!plain) return make_error(ErrorCode::corrupt, kOrigin, "kernel: unusable release text");
  image->release = text;
  return {};
}

}  // namespace

Result<KernelImage> parse_bzimage(ByteView file) {
  if (file.size() > kMaxKernelBytes) return corrupt("larger than the limit: bytes", file.size());
  TRY(check_identity(file));
  KernelImage image;
  TRY(find_payload(file, &image));
  TRY(read_header(file, &image));
  TRY(read_release(file, &image));
  return image;
}

}  // namespace bartizan::plan::boot
