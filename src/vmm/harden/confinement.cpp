#include "vmm/harden/confinement.hpp"

#include <sys/prctl.h>

#include <cerrno>

#include "base/errors.hpp"
#include "vmm/harden/file_access.hpp"

namespace bartizan::vmm::harden {
namespace {

// Both parts ask for it: a program that the thread would start gets no rights by its file.
Result<void> give_up_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return {};
  return errno_error(errno, "harden", "prctl(PR_SET_NO_NEW_PRIVS)");
}

ThreadSetup file_setup(UniqueFd file_access) {
  return [access = std::make_shared<UniqueFd>(std::move(file_access))]() -> Result<void> {
    TRY(give_up_privileges());
    return restrict_files(access->get());
  };
}

ThreadSetup call_setup(Duty duty) {
  return [filter = make_filter(duty)]() -> Result<void> {
    TRY(give_up_privileges());
    return restrict_system_calls(filter);
  };
}

// Tried, not asked for: a container's filter may allow the question and forbid the deed.
Result<void> try_on_a_thread(const ThreadSetup& setup) {
  TRY(start_thread(
          "hardening", [] {}, 0, setup))
      .join();
  return {};
}

// Files first: the filter forbids more of it.
ThreadSetup both(const ThreadSetup& files, const ThreadSetup& calls) {
  if (!files || !calls) return files ? files : calls;
  return [=]() -> Result<void> {
    TRY(files());
    return calls();
  };
}

Result<ThreadSetup> working_file_setup(const ThreadNeeds& needs) {
  ThreadSetup setup = file_setup(TRY(make_file_access(needs.readable)));
  TRY(try_on_a_thread(setup));
  return setup;
}

Result<void> accept(Hardening wish, const Error& missing, std::vector<std::string>* lines) {
  if (missing.code == ErrorCode::resource_exhausted) return missing;
  if (wish == Hardening::required) {
    return make_error(ErrorCode::unsupported, "harden",
                      "harden is required, and this host lacks {}: use preferred to go without",
                      missing.describe());
  }
  lines->push_back("threads are not confined by " + missing.describe());
  return {};
}

}  // namespace

Result<Setups> confine(Hardening wish, const ThreadNeeds& needs,
                       std::vector<std::string>* missing) {
  if (wish == Hardening::off) return Setups{};
  auto files = working_file_setup(needs);
  if (!files.ok()) TRY(accept(wish, files.error(), missing));
  ThreadSetup devices = call_setup({.network = needs.network, .joins = needs.joins});
  ThreadSetup vcpus = call_setup({.vcpu = true, .quotes = needs.quotes});
  if (auto tried = try_on_a_thread(vcpus); !tried.ok()) {
    TRY(accept(wish, tried.error(), missing));
    devices = vcpus = {};
  }
  const ThreadSetup held = files.ok() ? *files : ThreadSetup();
  return Setups{both(held, devices), both(held, vcpus)};
}

}  // namespace bartizan::vmm::harden
