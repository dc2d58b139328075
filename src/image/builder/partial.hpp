// The folder in which an output is made until it is complete: OUTPUT.partial-XXXXXXXXXXXXXXXX,
// locked as long as its maker lives.
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::image::builder {

class PartialFolder {
 public:
  // First removes what makers of the same output left who were killed.
  static Result<PartialFolder> create(const std::filesystem::path& output, mode_t mode = 0755);

  const std::filesystem::path& path() const { return unfinished_->path(); }
  // Gives it its name. already_exists if somebody else was faster.
  Result<void> publish(const std::filesystem::path& output);
  // The same for one file in it; the rest goes.
  Result<void> publish_file(const std::filesystem::path& file, const std::filesystem::path& output);

 private:
  PartialFolder(std::unique_ptr<Unfinished> unfinished, UniqueFd lock)
      : unfinished_(std::move(unfinished)), lock_(std::move(lock)) {}
  std::unique_ptr<Unfinished> unfinished_;
  UniqueFd lock_;
};

}  // namespace bartizan::image::builder
