// The rule for structs of options (see STRUCTS in bartizan.h), and conversions of their members.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "c/handles.hpp"

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
Result<std::vector<std::vector<uint8_t>>> list_of(const bartizan_blob* blobs, size_t count,
                                                  const char* name);

// NULL: all default.
Result<void> fill_tee_options(const bartizan_tee_options* from, TeeOptions& to);

LogSink log_sink(bartizan_log_fn function, void* user);
ProgressSink progress_sink(bartizan_progress_fn function, void* user);

// invalid_argument "<name>: required" for NULL and "".
Result<void> require(const char* text, const char* name);

}  // namespace bartizan::c
