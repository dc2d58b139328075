#include "image/luks2/cryptsetup.hpp"

#include "base/errors.hpp"

namespace bartizan::image::luks2 {
namespace {

void keep_last_words(int level, const char* message, void* words) {
  if (level != CRYPT_LOG_ERROR) return;
  std::string text = message;
  while (text.ends_with('\n')) text.pop_back();
  *static_cast<std::string*>(words) = text;
}

}  // namespace

Result<Cryptsetup> Cryptsetup::open(const std::filesystem::path& device) {
  Cryptsetup result;
  result.name_ = device.string();
  crypt_device* raw = nullptr;
  int status = crypt_init(&raw, device.c_str());
  if (status < 0) return result.error(status, "image/luks2", "crypt_init");
  result.device_.reset(raw);
  crypt_set_log_callback(raw, keep_last_words, result.last_words_.get());
  return result;
}

Error Cryptsetup::error(int status, std::string origin, std::string_view operation) const {
  std::string message = fmt::format("{}: {}", name_, operation);
  if (!last_words_->empty()) message += fmt::format(" ({})", *last_words_);
  return errno_error(-status, std::move(origin), std::move(message));
}

}  // namespace bartizan::image::luks2
