#include "image/tar/tar_writer.hpp"

#include <fmt/format.h>

namespace bartizan::image::tar {
namespace {

void put(Bytes& header, size_t offset, std::string_view text) {
  std::copy(text.begin(), text.end(), header.begin() + static_cast<ptrdiff_t>(offset));
}

void put_size(Bytes& header, uint64_t size) {
  constexpr size_t kOffset = 124;
  constexpr uint64_t kOctalEnd = uint64_t{1} << 33;  // eleven octal digits
  if (size < kOctalEnd) return put(header, kOffset, fmt::format("{:011o}", size));
  header[kOffset] = 0x80;
  for (size_t i = 0; i < 8; ++i) {
    header[kOffset + 11 - i] = static_cast<uint8_t>(size >> (8 * i));
  }
}

}  // namespace

Bytes tar_header(std::string_view name, char type, uint32_t mode, uint64_t size) {
  Bytes header(kTarBlock);
  put(header, 0, name.substr(0, 99));
  put(header, 100, fmt::format("{:07o}", mode));
  put(header, 108, "0000000");
  put(header, 116, "0000000");
  put_size(header, size);
  put(header, 136, "00000000000");
  put(header, 148, "        ");
  header[156] = static_cast<uint8_t>(type);
  put(header, 257,
      std::string_view("ustar\0"
                       "00",
                       8));
  put(header, 329, "0000000");
  put(header, 337, "0000000");
  uint32_t sum = 0;
  for (uint8_t byte : header) sum += byte;
  put(header, 148, fmt::format("{:06o}", sum));
  header[154] = 0;
  return header;
}

Bytes tar_filler(uint64_t size) {
  uint64_t length = size - kTarBlock;
  Bytes filler = tar_header("filler", 'x', 0644, length);
  std::string record = fmt::format("{} comment=", length);
  record.resize(length - 1, '.');
  record += '\n';
  filler.insert(filler.end(), record.begin(), record.end());
  return filler;
}

}  // namespace bartizan::image::tar
