// The rule for structs of options (see STRUCTS in bartizan.h), and conversions of their members, by
// which the generated functions fill the structs of the C++ API.
#pragma once

#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

#include "c/generated/options.hpp"
#include "c/guard.hpp"

namespace bartizan::c {

// A caller's struct that claims to be larger than this is a caller that forgot to set struct_size.
constexpr size_t kMaxStructSize = 4096;

// Copies the caller's struct of `caller_size` bytes over zeros of `size` bytes.
Result<void> copy_struct(void* to, size_t size, const void* from, const char* name);

// The caller's options as this library knows them. NULL: all default.
template <typename Options>
Result<Options> options_of(const Options* from, const char* name) {
  Options options;
  std::memset(static_cast<void*>(&options), 0, sizeof options);
  if (!from) return options;
  TRY(copy_struct(&options, sizeof options, from, name));
  return options;
}

// invalid_argument if a bit outside `known` is set.
Result<void> check_flags(uint32_t flags, uint32_t known, const char* name);

Result<Tee> tee_of(int32_t number);

// A blob of size 0 is "not given"; NULL with another size is the caller's mistake.
Result<std::vector<uint8_t>> bytes_of(bartizan_blob blob, const char* name);
Result<std::optional<SecretBytes>> secret_of(bartizan_blob blob, const char* name);

LogSink log_sink(bartizan_log_fn function, void* user);
EventSink event_sink(bartizan_event_fn function, void* user);
ProgressSink progress_sink(bartizan_progress_fn function, void* user);

// invalid_argument "<name>: required" for what is not given.
Result<void> require(const char* text, const char* name);
Result<void> require(bartizan_blob blob, const char* name);

// assign(from, name, to): what is not given leaves `to`, which holds the default.
Result<void> assign(const char* from, const char* name, std::string& to);
Result<void> assign(const char* from, const char* name, std::filesystem::path& to);
Result<void> assign(bartizan_blob from, const char* name, std::vector<uint8_t>& to);
Result<void> assign(bartizan_blob from, const char* name, std::array<uint8_t, 16>& to);
Result<void> assign(bartizan_blob from, const char* name, SecretBytes& to);
Result<void> assign(bartizan_blob from, const char* name, std::optional<SecretBytes>& to);
Result<void> assign(const bartizan_published_port& from, const char* name, PublishedPort& to);
Result<void> assign(const bartizan_vsock_port& from, const char* name, VsockPort& to);

template <typename Number>
requires std::is_integral_v<Number> Result<void> assign(Number from, const char*, Number& to) {
  if (from != 0) to = from;
  return {};
}
inline Result<void> assign(int64_t from, const char*, std::optional<int64_t>& to) {
  if (from != 0) to = from;
  return {};
}

// The enumerators of `macros` are 0 to `last`.
template <typename Enum>
Result<void> assign_enum(int32_t from, int32_t last, const char* name, const char* macros,
                         Enum& to) {
  if (from < 0 || from > last)
    return invalid(kApiOrigin, "{}: {} is none of {}", name, from, macros);
  to = static_cast<Enum>(from);
  return {};
}

// A list with elements replaces the default. More than `most` are a caller's mistake in the count.
template <typename From, typename To>
Result<void> assign_list(const From* from, size_t count, const char* name, std::vector<To>& to,
                         size_t most = SIZE_MAX) {
  if (count == 0) return {};
  if (!from) return missing(name);
  if (count > most) return invalid(kApiOrigin, "{}: {} elements, at most {}", name, count, most);
  to.clear();
  for (size_t i = 0; i < count; ++i) {
    To element{};
    TRY(assign(from[i], name, element));
    to.push_back(std::move(element));
  }
  return {};
}

}  // namespace bartizan::c
