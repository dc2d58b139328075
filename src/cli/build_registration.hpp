// build --register-with: an image is registered as soon as it is built. A build can take long, so
// all that a registration needs is looked at before it: the broker and its token, and the
// measurement of the launch.
#pragma once

#include <string>

#include "bartizan/image.hpp"
#include "cli/register.hpp"

namespace bartizan::cli {

struct RegistrationArguments {
  std::string url, token_file, bundle;
  bool allow_simulated = false, replace = false;

  bool wanted() const { return !url.empty(); }
};

void add_registration_options(CLI::App& command, RegistrationArguments& to);

// invalid_argument: an option of a registration that is not wanted, or one that it lacks.
Result<void> check_registration(const RegistrationArguments& arguments, const BuildOptions& build);

// Where guests find the broker that is at `url` for this host: 10.0.2.2 if that is this host
// itself. invalid_argument: not a broker's address.
Result<std::string> guest_address(const std::string& url);

class PreparedRegistration {
 public:
  // Asks the broker, and measures. Of `build` all is final. Errors: of check_build, measure,
  // list_workloads.
  static Result<PreparedRegistration> prepare(const RegistrationArguments& arguments,
                                              const BuildOptions& build);

  // Errors as of register_workload.
  Result<Workload> finish(const BuildReport& report) const;

 private:
  BrokerAccess access_;
  std::vector<uint8_t> measurement_;
  Tee tee_ = Tee::snp;
};

}  // namespace bartizan::cli
