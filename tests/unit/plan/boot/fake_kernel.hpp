// The smallest file that is a bzImage by its header: for tests of what reads one.
#pragma once

#include "base/bytes.hpp"

namespace bartizan::plan::boot {

inline Bytes fake_kernel(std::string_view release = "6.1.0-test", size_t payload = 8192) {
  Bytes file(2 * 512 + payload);
  file[0x1f1] = 1;                                              // setup sectors
  store_le(&file[0x1f4], static_cast<uint32_t>(payload / 16));  // syssize
  store_le<uint16_t>(&file[0x1fe], 0xaa55);
  file[0x201] = 0x6a;  // header ends at 0x26c
  store_le<uint32_t>(&file[0x202], 0x53726448);
  store_le<uint16_t>(&file[0x206], 0x20f);
  store_le<uint16_t>(&file[0x20e], 0x100);  // version text at 0x300
  file[0x211] = 1;
  store_le<uint32_t>(&file[0x22c], 0x7fffffff);
  store_le<uint32_t>(&file[0x230], 0x200000);
  store_le<uint16_t>(&file[0x236], 0x7f);
  store_le<uint32_t>(&file[0x238], 2047);
  store_le<uint64_t>(&file[0x258], 0x1000000);
  store_le<uint32_t>(&file[0x260], 0x300000);
  std::copy(release.begin(), release.end(), file.begin() + 0x300);
  file[0x300 + release.size()] = ' ';
  for (size_t i = 1024; i < file.size(); i++) file[i] = static_cast<uint8_t>(i * 7);
  return file;
}

}  // namespace bartizan::plan::boot
