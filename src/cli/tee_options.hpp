// The options of `run` that tie a launch in a hardware TEE to its owner. Their files are read here.
#pragma once

#include "bartizan/machine.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

struct TeeArguments {
  uint64_t policy = 0;
  std::string id_block, id_auth, certificates, owner_certificate, session, platform_certificates;
  std::string quote_service = kDefaultQuoteService;
  bool require_certificates = false;
};

void add_tee_options(CLI::App& command, TeeArguments& to);

// All but the guest features, which are measured: see LaunchArguments.
Result<TeeOptions> tee_options(const TeeArguments& arguments);

}  // namespace bartizan::cli
