#include "image/tar/sparse.hpp"

#include "base/errors.hpp"
#include "image/tar/pax.hpp"

namespace bartizan::image::tar {
namespace {

constexpr char kOrigin[] = "image/tar";

Error corrupt(std::string_view what, std::string_view why) {
  return make_error(ErrorCode::corrupt, kOrigin, "{}: map of a sparse file: {}", what, why);
}

}  // namespace

Result<std::vector<SparsePiece>> parse_sparse_list(std::string_view text, std::string_view what) {
  std::vector<SparsePiece> pieces;
  while (!text.empty()) {
    uint64_t numbers[2];
    for (uint64_t& number : numbers) {
      size_t comma = std::min(text.find(','), text.size());
      auto value = parse_decimal(text.substr(0, comma));
      if (!value) return corrupt(what, "no number");
      number = *value;
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    if (pieces.size() == kMaxSparsePieces) return corrupt(what, "too many pieces");
    pieces.push_back({numbers[0], numbers[1]});
  }
  return pieces;
}

Result<void> check_sparse(const SparseMap& map, uint64_t stored, std::string_view what) {
  uint64_t end = 0, sum = 0;
  for (const SparsePiece& piece : map.pieces) {
    bool fits =
        piece.offset >= end && piece.offset <= map.size && piece.size <= map.size - piece.offset;
    if (!fits) return corrupt(what, "pieces overlap or lie outside");
    end = piece.offset + piece.size;
    sum += piece.size;
  }
  if (sum != stored) return corrupt(what, fmt::format("{} bytes, but {} are stored", sum, stored));
  return {};
}

SparseRun sparse_run(const SparseMap& map, size_t& piece, uint64_t at) {
  auto end = [&](size_t i) { return map.pieces[i].offset + map.pieces[i].size; };
  while (piece < map.pieces.size() && at >= end(piece)) ++piece;
  if (piece == map.pieces.size()) return {map.size - at, false};
  if (at < map.pieces[piece].offset) return {map.pieces[piece].offset - at, false};
  return {end(piece) - at, true};
}

}  // namespace bartizan::image::tar
