#include "cli/tee_options.hpp"

#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

Result<void> read_into(const char* option, const std::string& path, std::vector<uint8_t>& to) {
  if (path.empty()) return {};
  auto text = TRY(read_text(option, path));
  to.assign(text.begin(), text.end());
  return {};
}

}  // namespace

void add_tee_options(CLI::App& command, TeeArguments& to) {
  declare(command, text::tee::kPolicy, to.policy);
  declare(command, text::tee::kIdBlock, to.id_block);
  declare(command, text::tee::kIdAuth, to.id_auth);
  declare(command, text::tee::kCertificates, to.certificates);
  declare(command, text::tee::kRequireCertificates, to.require_certificates);
  declare(command, text::tee::kOwnerCertificate, to.owner_certificate);
  declare(command, text::tee::kSession, to.session);
  declare(command, text::tee::kPlatformCertificates, to.platform_certificates);
  declare(command, text::tee::kQuoteService, to.quote_service);
}

Result<TeeOptions> tee_options(const TeeArguments& arguments) {
  TeeOptions options;
  options.policy = arguments.policy;
  TRY(read_into("--id-block", arguments.id_block, options.id_block));
  TRY(read_into("--id-auth", arguments.id_auth, options.id_authentication));
  TRY(read_into("--certificates", arguments.certificates, options.certificates));
  options.require_certificates = arguments.require_certificates;
  TRY(read_into("--owner-certificate", arguments.owner_certificate, options.owner_certificate));
  TRY(read_into("--session", arguments.session, options.session));
  TRY(read_into("--platform-certificates", arguments.platform_certificates,
                options.platform_certificates));
  options.quote_service = arguments.quote_service;
  return options;
}

}  // namespace bartizan::cli
