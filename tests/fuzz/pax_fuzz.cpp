// Text that describes tar entries: PAX records, their times, and lists of the pieces of sparse
// files.
#include <cstdlib>

#include "image/tar/pax.hpp"
#include "image/tar/sparse.hpp"

namespace {

using namespace bartizan;  // NOLINT

// Walks a file that passed the check: its runs are the whole file, what is stored in sum.
void walk(const image::tar::SparseMap& map, uint64_t stored) {
  size_t piece = 0;
  uint64_t at = 0, found = 0;
  for (size_t runs = 0; at < map.size; ++runs) {
    auto run = image::tar::sparse_run(map, piece, at);
    if (run.bytes == 0 || run.bytes > map.size - at || runs > 2 * map.pieces.size() + 1)
      std::abort();
    at += run.bytes;
    if (run.stored) found += run.bytes;
  }
  if (found != stored) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto records = image::tar::parse_pax(text, "fuzz"); records.ok()) {
    size_t sum = 0;
    for (const auto& [key, value] : *records) sum += key.size() + value.size();
    if (sum > size) std::abort();
  }
  if (auto time = image::tar::parse_pax_time(text); time && time->nanoseconds >= 1'000'000'000)
    std::abort();
  auto pieces = image::tar::parse_sparse_list(text, "fuzz");
  if (!pieces.ok()) return 0;
  image::tar::SparseMap map{*pieces, 0};
  uint64_t stored = 0;
  for (const auto& one : map.pieces) {
    stored += one.size;
    map.size = one.offset + one.size;  // both may wrap: that is for the check
  }
  if (image::tar::check_sparse(map, stored, "fuzz").ok()) walk(map, stored);
  return 0;
}
