// Sparse files in tar archives: which pieces are stored, the rest being zeros. GNU's old form
// (entry type 'S') and its PAX forms 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").
#pragma once

#include <string_view>
#include <vector>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"

namespace bartizan::image::tar {

struct SparsePiece {
  uint64_t offset = 0, size = 0;
};

struct SparseMap {
  std::vector<SparsePiece> pieces;  // rising, not overlapping, inside size
  uint64_t size = 0;                // of the file
};

// Each piece costs memory, and a layer of a few KiB can name very many.
constexpr size_t kMaxSparsePieces = 100'000;
// A few bytes may claim a file of any size, whose zeros would fill a disk: so much per archive.
constexpr uint64_t kMaxHoleBytes = 16 * kGiB;

// "offset,size,offset,size…" (PAX 0.1). corrupt: no such list. `what` names the file.
Result<std::vector<SparsePiece>> parse_sparse_list(std::string_view text, std::string_view what);

// corrupt unless the pieces rise, lie inside the file and are `stored` bytes in sum.
Result<void> check_sparse(const SparseMap& map, uint64_t stored, std::string_view what);

// How many bytes of one kind follow at `at`: stored or zeros. `piece` begins at 0 and belongs to
// the caller, whose `at` only rises. 0 bytes at the end.
struct SparseRun {
  uint64_t bytes = 0;
  bool stored = false;
};
SparseRun sparse_run(const SparseMap& map, size_t& piece, uint64_t at);

}  // namespace bartizan::image::tar
