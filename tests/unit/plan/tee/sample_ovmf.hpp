// A firmware image made up for tests: content, and the table of entries at its end, laid out by
// hand from edk2's ResetVectorVtf0.asm.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/guid.hpp"

namespace bartizan::plan::tee::snp {

struct SampleSection {
  uint32_t address, size, kind;
};

struct SampleOvmf {
  size_t size = 3 * 4096;
  std::optional<uint32_t> reset = 0x80b004, hash_table = 0x810c00;
  std::vector<SampleSection> sections = {{0x800000, 0x9000, 1},
                                         {0x80d000, 0x1000, 2},
                                         {0x80e000, 0x1000, 3},
                                         {0x810000, 0x1000, 0x10},
                                         {0x811000, 0xf000, 1}};
  std::vector<std::pair<Guid, Bytes>> more;  // further entries
  uint32_t metadata_at = 2048;               // before the end
  bool footer = true;
};

inline Bytes little_endian(uint32_t word) {
  Bytes bytes(4);
  store_le(bytes.data(), word);
  return bytes;
}

inline Bytes sample_metadata(const SampleOvmf& sample) {
  Bytes bytes;
  auto add = [&bytes](uint32_t word) {
    auto more = little_endian(word);
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  const auto count = static_cast<uint32_t>(sample.sections.size());
  for (uint32_t word : {0x56455341u, 16 + 12 * count, 1u, count}) add(word);
  for (const auto& section : sample.sections)
    add(section.address), add(section.size), add(section.kind);
  return bytes;
}

// Entries as they lie in the file: data, length, GUID.
inline Bytes sample_table(const SampleOvmf& sample) {
  auto entries = sample.more;
  auto word_entry = [&entries](const Guid& name, uint32_t word) {
    entries.push_back({name, little_endian(word)});
  };
  if (!sample.sections.empty())
    word_entry(guid("dc886566-984a-4798-a75e-5585a7bf67cc"), sample.metadata_at);
  if (sample.hash_table) {
    Bytes data = little_endian(*sample.hash_table);
    data.resize(8);
    entries.push_back({guid("7255371f-3a3b-4b04-927b-1da6efa8d454"), data});
  }
  if (sample.reset) word_entry(guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e"), *sample.reset);
  Bytes table;
  auto close = [&table](size_t length, const Guid& name) {
    table.push_back(static_cast<uint8_t>(length));
    table.push_back(static_cast<uint8_t>(length >> 8));
    table.insert(table.end(), name.begin(), name.end());
  };
  for (const auto& [name, data] : entries) {
    table.insert(table.end(), data.begin(), data.end());
    close(data.size() + 18, name);
  }
  if (sample.footer) close(table.size() + 18, guid("96b582de-1fb2-45f7-baea-a366c55a082d"));
  return table;
}

inline Bytes sample_ovmf(const SampleOvmf& sample = {}) {
  Bytes image(sample.size);
  for (size_t i = 0; i < image.size(); i++) image[i] = static_cast<uint8_t>(i * 7 + i / 251);
  auto put = [&image](const Bytes& bytes, size_t at) {
    std::copy(bytes.begin(), bytes.end(), image.begin() + static_cast<ptrdiff_t>(at));
  };
  Bytes table = sample_table(sample);
  put(table, image.size() - 32 - table.size());
  if (!sample.sections.empty() && sample.metadata_at <= image.size())
    put(sample_metadata(sample), image.size() - sample.metadata_at);
  return image;
}

}  // namespace bartizan::plan::tee::snp
