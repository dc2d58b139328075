#include <fcntl.h>

#include <map>

#include "bartizan/image.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/units.hpp"
#include "image/parts/locate.hpp"

namespace bartizan {
namespace {

using image::parts::LocatedImage;
using Values = std::map<std::string, std::string>;
using Differences = std::vector<ImageDifference>;
constexpr uint64_t kBlocksAtOnce = 256;

// "/disk/size" → "4096", with `prefix` before it.
Result<void> flatten(std::string_view prefix, std::string_view text, Values& values) {
  Json json = TRY(parse_json(text, prefix));
  Json flat = json.flatten();
  for (const auto& [key, value] : flat.items())
    values[std::string(prefix) + key] = value.is_string() ? value.get<std::string>() : value.dump();
  return {};
}

Result<Values> values_of(const LocatedImage& image) {
  Values values;
  TRY(flatten("manifest", as_text(image.manifest_bytes), values));
  TRY(flatten("krun", image.krun_json, values));
  return values;
}

void compare_values(const Values& a, const Values& b, Differences& found) {
  Values all = a;
  all.insert(b.begin(), b.end());
  auto value = [](const Values& values, const std::string& key) {
    auto at = values.find(key);
    return at == values.end() ? std::string() : at->second;
  };
  for (const auto& [key, ignored] : all) {
    if (a.contains(key) && b.contains(key) && a.at(key) == b.at(key)) continue;
    found.push_back({key, value(a, key), value(b, key)});
  }
}

struct Part {
  const char* name;
  uint64_t begin, end;
};

std::array<Part, 3> parts_of(const guest_abi::Manifest& manifest) {
  uint64_t data_end = manifest.luks2.offset + manifest.luks2.size;
  return {{{"disk/header", 0, manifest.luks2.offset},
           {"disk/data", manifest.luks2.offset, data_end},
           {"disk/tree", data_end, manifest.disk_size}}};
}

uint64_t count_different(ByteView a, ByteView b) {
  uint64_t count = 0;
  for (size_t at = 0; at < a.size(); at += kBlockSize) {
    auto x = a.subspan(at, std::min<size_t>(kBlockSize, a.size() - at)),
         y = b.subspan(at, x.size());
    count += !std::equal(x.begin(), x.end(), y.begin());
  }
  return count;
}

// Blocks that differ, and those that only the longer part has.
Result<void> compare_part(const LocatedImage& a, int fd_a, const Part& part_a,
                          const LocatedImage& b, int fd_b, const Part& part_b, Differences& found) {
  uint64_t size_a = part_a.end - part_a.begin, size_b = part_b.end - part_b.begin;
  uint64_t common = std::min(size_a, size_b);
  uint64_t different = (std::max(size_a, size_b) - common) / kBlockSize;
  Bytes x(kBlocksAtOnce * kBlockSize), y(x.size());
  for (uint64_t at = 0; at < common; at += x.size()) {
    size_t count = std::min<uint64_t>(x.size(), common - at);
    TRY(read_exactly(fd_a, std::span(x).first(count), a.disk_offset + part_a.begin + at,
                     a.disk_path.string()));
    TRY(read_exactly(fd_b, std::span(y).first(count), b.disk_offset + part_b.begin + at,
                     b.disk_path.string()));
    different += count_different(ByteView(x).first(count), ByteView(y).first(count));
  }
  if (different == 0) return {};
  found.push_back({part_a.name, fmt::format("{} of {}", different, size_a / kBlockSize),
                   fmt::format("{} of {}", different, size_b / kBlockSize)});
  return {};
}

}  // namespace

Result<std::vector<ImageDifference>> diff_images(const std::filesystem::path& first,
                                                 const std::filesystem::path& second) {
  LocatedImage a = TRY(image::parts::locate_image(first, "")),
               b = TRY(image::parts::locate_image(second, ""));
  Differences found;
  compare_values(TRY(values_of(a)), TRY(values_of(b)), found);
  UniqueFd fd_a = TRY(open_file(a.disk_path, O_RDONLY));
  UniqueFd fd_b = TRY(open_file(b.disk_path, O_RDONLY));
  auto parts_a = parts_of(a.manifest), parts_b = parts_of(b.manifest);
  for (size_t i = 0; i < parts_a.size(); ++i) {
    TRY(compare_part(a, fd_a.get(), parts_a[i], b, fd_b.get(), parts_b[i], found));
  }
  return found;
}

}  // namespace bartizan
