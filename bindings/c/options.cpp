#include "c/options.hpp"

#include <algorithm>
#include <string>

namespace bartizan::c {

Result<void> copy_struct(void* to, size_t size, const void* from, const char* name) {
  size_t caller_size = 0;
  std::memcpy(&caller_size, from, sizeof caller_size);
  if (caller_size < sizeof caller_size || caller_size > kMaxStructSize)
    return invalid(std::string(name) + ": struct_size " + std::to_string(caller_size) +
                   ": set it to the size of the struct");
  const auto* bytes = static_cast<const uint8_t*>(from);
  const size_t known = std::min(caller_size, size);
  if (std::any_of(bytes + known, bytes + caller_size, [](uint8_t byte) { return byte != 0; }))
    return invalid(std::string(name) + ": struct_size " + std::to_string(caller_size) +
                   ": a member is set that this library does not know");
  std::memcpy(to, from, known);
  return {};
}

Result<void> check_flags(uint32_t flags, uint32_t known, const char* name) {
  if (flags & ~known)
    return invalid(std::string(name) + ": unknown bits " + std::to_string(flags & ~known));
  return {};
}

Result<Tee> tee_of(int32_t number) {
  if (number < BARTIZAN_TEE_NONE || number > BARTIZAN_TEE_TDX)
    return invalid("tee: " + std::to_string(number) + " is none of BARTIZAN_TEE_*");
  return static_cast<Tee>(number);
}

namespace {

Result<void> check_blob(bartizan_blob blob, const char* name) {
  if (!blob.data && blob.size != 0)
    return invalid(std::string(name) + ": NULL with size " + std::to_string(blob.size));
  return {};
}

}  // namespace

Result<std::vector<uint8_t>> bytes_of(bartizan_blob blob, const char* name) {
  BARTIZAN_C_CHECK(check_blob(blob, name));
  if (blob.size == 0) return std::vector<uint8_t>();
  return std::vector<uint8_t>(blob.data, blob.data + blob.size);
}

Result<std::optional<SecretBytes>> secret_of(bartizan_blob blob, const char* name) {
  BARTIZAN_C_CHECK(check_blob(blob, name));
  if (blob.size == 0) return std::optional<SecretBytes>();
  return std::optional<SecretBytes>(SecretBytes(std::span<const uint8_t>(blob.data, blob.size)));
}

Result<std::vector<std::vector<uint8_t>>> list_of(const bartizan_blob* blobs, size_t count,
                                                  const char* name) {
  if (!blobs && count != 0) return missing(name);
  std::vector<std::vector<uint8_t>> list;
  for (size_t i = 0; i < count; ++i) {
    auto bytes = bytes_of(blobs[i], name);
    if (!bytes.ok()) return std::move(bytes).error();
    list.push_back(*std::move(bytes));
  }
  return list;
}

LogSink log_sink(bartizan_log_fn function, void* user) {
  if (!function) return {};
  return [function, user](LogLevel level, std::string_view line) {
    function(user, static_cast<int32_t>(level), line.data(), line.size());
  };
}

ProgressSink progress_sink(bartizan_progress_fn function, void* user) {
  if (!function) return {};
  return [function, user](const Progress& progress) {
    return function(user, std::string(progress.stage).c_str(), progress.done, progress.total) == 0;
  };
}

Result<void> require(const char* text, const char* name) {
  if (!text || !*text) return invalid(std::string(name) + ": required");
  return {};
}

}  // namespace bartizan::c
