// The one way in which this component holds a libcryptsetup context and turns its failures into
// errors.
#pragma once

#include <libcryptsetup.h>

#include <filesystem>
#include <memory>
#include <string>

#include "bartizan/result.hpp"

namespace bartizan::image::luks2 {

// Owns a crypt_device and catches what it would print. Confined to one thread at a time.
class Cryptsetup {
 public:
  static Result<Cryptsetup> open(const std::filesystem::path& device);

  crypt_device* get() const { return device_.get(); }

  // `status`: a negative errno as libcryptsetup returns it. The message holds the library's own
  // last words.
  Error error(int status, std::string origin, std::string_view operation) const;

 private:
  struct Free {
    void operator()(crypt_device* device) const { crypt_free(device); }
  };
  Cryptsetup() = default;
  std::unique_ptr<crypt_device, Free> device_;
  std::unique_ptr<std::string> last_words_ = std::make_unique<std::string>();
  std::string name_;
};

}  // namespace bartizan::image::luks2
