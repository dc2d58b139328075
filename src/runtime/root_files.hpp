// Files of a container's root folder, whose author may be anybody: each is opened below that folder
// and nowhere else, without following a link, and only if it is a regular file.
#pragma once

#include <filesystem>
#include <optional>

#include "bartizan/result.hpp"
#include "bartizan/tee.hpp"
#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::runtime {

class RootFiles {
 public:
  static Result<RootFiles> open(const std::filesystem::path& root);

  // Absent: there is no such file. Errors: invalid_argument (not a regular file),
  // resource_exhausted (larger than `limit`).
  Result<std::optional<Bytes>> read(const std::string& name, uint64_t limit) const;
  // Is there anything of that name in the folder itself?
  bool has(const std::string& name) const;

 private:
  RootFiles(UniqueFd root, std::filesystem::path name)
      : root_(std::move(root)), name_(std::move(name)) {}
  UniqueFd root_;
  std::filesystem::path name_;
};

// What a confidential image says of itself.
struct ImageFacts {
  guest_abi::Manifest manifest;
  uint32_t ram_mib = 0;
  Tee tee = Tee::snp;
};

// Absent: an ordinary image, without a manifest, or with a file of that name of its own: beside
// ours are always an encrypted disk and /krun-sev.json, and an image with none of these has nothing
// that could be started in a VM. With one of them a manifest that is none, or is newer than this
// program, is an error and not an ordinary image.
Result<std::optional<ImageFacts>> read_image_facts(const RootFiles& root);

}  // namespace bartizan::runtime
