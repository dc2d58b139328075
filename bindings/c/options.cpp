#include "c/options.hpp"

#include <algorithm>
#include <string>

namespace bartizan::c {

Result<void> copy_struct(void* to, size_t size, const void* from, const char* name) {
  size_t caller_size = 0;
  std::memcpy(&caller_size, from, sizeof caller_size);
  if (caller_size < sizeof caller_size || caller_size > kMaxStructSize)
    return invalid(kApiOrigin, "{}: struct_size {}: set it to the size of the struct", name,
                   caller_size);
  const auto* bytes = static_cast<const uint8_t*>(from);
  const size_t known = std::min(caller_size, size);
  if (std::any_of(bytes + known, bytes + caller_size, [](uint8_t byte) { return byte != 0; }))
    return invalid(kApiOrigin,
                   "{}: struct_size {}: a member is set that this library does not know", name,
                   caller_size);
  std::memcpy(to, from, known);
  return {};
}

Result<void> check_flags(uint32_t flags, uint32_t known, const char* name) {
  if (flags & ~known) return invalid(kApiOrigin, "{}: unknown bits {}", name, flags & ~known);
  return {};
}

Result<Tee> tee_of(int32_t number) {
  Tee tee = Tee::none;
  TRY(assign_enum(number, BARTIZAN_TEE_TDX, "tee", "BARTIZAN_TEE_*", tee));
  return tee;
}

namespace {

Result<void> check_blob(bartizan_blob blob, const char* name) {
  if (!blob.data && blob.size != 0)
    return invalid(kApiOrigin, "{}: NULL with size {}", name, blob.size);
  return {};
}

}  // namespace

Result<std::vector<uint8_t>> bytes_of(bartizan_blob blob, const char* name) {
  TRY(check_blob(blob, name));
  if (blob.size == 0) return std::vector<uint8_t>();
  return std::vector<uint8_t>(blob.data, blob.data + blob.size);
}

Result<std::optional<SecretBytes>> secret_of(bartizan_blob blob, const char* name) {
  TRY(check_blob(blob, name));
  if (blob.size == 0) return std::optional<SecretBytes>();
  return std::optional<SecretBytes>(SecretBytes(std::span<const uint8_t>(blob.data, blob.size)));
}

LogSink log_sink(bartizan_log_fn function, void* user) {
  if (!function) return {};
  return [function, user](LogLevel level, std::string_view line) {
    function(user, static_cast<int32_t>(level), line.data(), line.size());
  };
}

EventSink event_sink(bartizan_event_fn function, void* user) {
  if (!function) return {};
  return [function, user](MachineEvent event) { function(user, static_cast<int32_t>(event)); };
}

ProgressSink progress_sink(bartizan_progress_fn function, void* user) {
  if (!function) return {};
  return [function, user](const Progress& progress) {
    return function(user, std::string(progress.stage).c_str(), progress.done, progress.total) == 0;
  };
}

Result<void> require(const char* text, const char* name) {
  if (!text || !*text) return invalid(kApiOrigin, "{}: required", name);
  return {};
}

Result<void> require(bartizan_blob blob, const char* name) {
  TRY(check_blob(blob, name));
  if (blob.size == 0) return invalid(kApiOrigin, "{}: required", name);
  return {};
}

Result<void> assign(const char* from, const char*, std::string& to) {
  if (from && *from) to = from;
  return {};
}

Result<void> assign(const char* from, const char*, std::filesystem::path& to) {
  if (from && *from) to = from;
  return {};
}

Result<void> assign(bartizan_blob from, const char* name, std::vector<uint8_t>& to) {
  to = TRY(bytes_of(from, name));
  return {};
}

Result<void> assign(bartizan_blob from, const char* name, std::array<uint8_t, 16>& to) {
  const auto bytes = TRY(bytes_of(from, name));
  if (bytes.empty()) return {};
  if (bytes.size() != to.size())
    return invalid(kApiOrigin, "{}: {} bytes, not 16", name, bytes.size());
  std::copy(bytes.begin(), bytes.end(), to.begin());
  return {};
}

Result<void> assign(bartizan_blob from, const char* name, SecretBytes& to) {
  auto secret = TRY(secret_of(from, name));
  if (secret) to = *std::move(secret);
  return {};
}

Result<void> assign(bartizan_blob from, const char* name, std::optional<SecretBytes>& to) {
  to = TRY(secret_of(from, name));
  return {};
}

Result<void> assign(const bartizan_published_port& from, const char* name, PublishedPort& to) {
  TRY(assign(from.host_address, name, to.host_address));
  to.host_port = from.host_port;
  to.guest_port = from.guest_port;
  return assign_enum(from.protocol, BARTIZAN_PORT_UDP, name, "BARTIZAN_PORT_*", to.protocol);
}

Result<void> assign(const bartizan_vsock_port& from, const char* name, VsockPort& to) {
  TRY(require(from.path, (std::string(name) + ": path").c_str()));
  to = {from.port, from.path, from.listen != 0};
  return {};
}

}  // namespace bartizan::c
