// LeafHashes: the lowest level of a dm-verity tree while its data is being made, in any order and
// by several threads. It lies in a temporary file (1/128 of the data), so that memory stays the
// same for any image.
#pragma once

#include <filesystem>
#include <string>

#include "bartizan/result.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::image::verity {

class LeafHashes {
 public:
  // The file is made in `folder` and loses its name at once: it goes with the process.
  static Result<LeafHashes> create(const std::filesystem::path& folder, Bytes salt);

  // Whole blocks of 4096 bytes, the first of which is number `first`. Any thread.
  Result<void> add(uint64_t first, ByteView blocks) const;

  // Writes superblock and tree for data of `data_bytes` that lies at byte `start` of `fd`, right
  // behind that data. Precondition: add() saw every block. `name` appears in errors.
  Result<guest_abi::Manifest::Verity> write_tree(int fd, uint64_t start, uint64_t data_bytes,
                                                 ByteView uuid, const std::string& name) const;

 private:
  LeafHashes(UniqueFd file, std::string name, Bytes salt)
      : file_(std::move(file)), name_(std::move(name)), salt_(std::move(salt)) {}

  UniqueFd file_;
  std::string name_;
  Bytes salt_;
};

}  // namespace bartizan::image::verity
