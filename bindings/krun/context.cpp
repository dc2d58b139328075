#include "krun/context.hpp"

#include <climits>
#include <map>
#include <new>

#include "base/mutex.hpp"
#include "krun/log.hpp"

namespace bartizan::krun {
namespace {

struct Contexts {
  Mutex mutex;
  std::map<uint32_t, KrunContext> all BARTIZAN_GUARDED_BY(mutex);
  uint32_t next BARTIZAN_GUARDED_BY(mutex) = 0;
};

Contexts& contexts() {
  static Contexts only;
  return only;
}

int errno_of(const Error& error) {
  if (error.os_errno != 0) return error.os_errno;
  switch (error.code) {
    case ErrorCode::not_found:
      return ENOENT;
    case ErrorCode::already_exists:
      return EEXIST;
    case ErrorCode::permission_denied:
    case ErrorCode::verification_failed:
      return EACCES;
    case ErrorCode::unsupported:
      return ENOTSUP;
    case ErrorCode::resource_exhausted:
      return ENOMEM;
    case ErrorCode::io:
      return EIO;
    case ErrorCode::timed_out:
      return ETIMEDOUT;
    case ErrorCode::cancelled:
      return ECANCELED;
    case ErrorCode::protocol:
      return EPROTO;
    case ErrorCode::invalid_argument:
    case ErrorCode::invalid_state:
    case ErrorCode::corrupt:
    case ErrorCode::internal:
      break;
  }
  return EINVAL;
}

}  // namespace

int32_t add_context(KrunContext context) {
  MutexLock lock(contexts().mutex);
  if (contexts().next > INT32_MAX) return -ENOSPC;
  contexts().all.emplace(contexts().next, std::move(context));
  return static_cast<int32_t>(contexts().next++);
}

std::optional<KrunContext> take_context(uint32_t number) {
  MutexLock lock(contexts().mutex);
  auto found = contexts().all.extract(number);
  if (found.empty()) return std::nullopt;
  return std::move(found.mapped());
}

int32_t guarded(const char* function, const std::function<int32_t()>& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& error) {
    return refuse(EINVAL, function, error.what());
  }
}

int32_t with_context(const char* function, uint32_t number,
                     const std::function<int32_t(KrunContext&)>& work) noexcept {
  return guarded(function, [&] {
    MutexLock lock(contexts().mutex);
    auto found = contexts().all.find(number);
    return found == contexts().all.end() ? -ENOENT : work(found->second);
  });
}

int32_t refuse(int number, const char* function, std::string_view line) noexcept {
  try {
    log(LogLevel::error, fmt::format("{}: {}", function, line));
  } catch (const std::bad_alloc&) {  // the number has to do
  }
  return -number;
}

int32_t refuse(const char* function, const Error& error) {
  return refuse(errno_of(error), function, error.describe());
}

}  // namespace bartizan::krun
