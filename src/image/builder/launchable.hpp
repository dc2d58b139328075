// Whether a launch of an image can succeed, and whether its encryption protects anything: else that
// would come out at the first launch, or never. All errors are invalid_argument. What a person may
// know better is accepted with BuildOptions::force, which the error then names.
#pragma once

#include "bartizan/image.hpp"
#include "image/filesystem/tree.hpp"
#include "image/oci/layout_reader.hpp"
#include "image/parts/krun.hpp"

namespace bartizan::image::builder {

// Before any work: limits of a launch, disk key and passphrase, the broker's address and its
// certificate. `settings`: what krun_settings() made of the options.
Result<void> check_launchable(const BuildOptions& options, const parts::KrunConfig& settings);

// The process that a source's configuration describes.
class Process {
 public:
  // The configuration was checked to be JSON when it was read. invalid_argument: no command.
  static Result<Process> of(const oci::SourceImage& source, bool force);

  // Against the finished tree: the program is in it and may be executed, the user has an account,
  // and the tree is not that of a confidential image.
  Result<void> check(filesystem::Tree& tree) const;

 private:
  std::string program_, user_, group_;
  bool force_ = false;
};

}  // namespace bartizan::image::builder
