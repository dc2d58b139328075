// The contexts of the interface: numbers of configurations, which krun_start_enter consumes. Any
// thread.
#pragma once

#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "base/errors.hpp"
#include "base/unique_fd.hpp"
#include "krun/host_files.hpp"

namespace bartizan::krun {

struct KrunContext {
  // Read at its creation, or why that failed: said when a confidential image is to be started,
  // because crun makes contexts for containers that need none of it. Neither: not read.
  std::variant<std::monostate, HostFiles, Error> host;
  std::filesystem::path disk, tee_config;
  // What the program wants; the image's own numbers count.
  uint32_t vcpus = 0, ram_mib = 0;
  // Absent: all that the workload listens on.
  std::optional<std::vector<PublishedPort>> ports;
  std::vector<VsockPort> vsock;
  std::optional<uint32_t> uid, gid;
  UniqueFd shutdown;  // an eventfd; invalid: nobody asked for it
};

int32_t add_context(KrunContext context);  // its number
std::optional<KrunContext> take_context(uint32_t number);

// What a function of the interface does. Never throws: -ENOMEM, -EINVAL.
int32_t guarded(const char* function, const std::function<int32_t()>& work) noexcept;
// The same with a context, which `work` has for itself. -ENOENT: there is none of that number.
int32_t with_context(const char* function, uint32_t number,
                     const std::function<int32_t(KrunContext&)>& work) noexcept;

// Logs the line, and gives the number.
int32_t refuse(int number, const char* function, std::string_view line) noexcept;
// Logs the error, and gives the number that fits it.
int32_t refuse(const char* function, const Error& error);

}  // namespace bartizan::krun
