#include "cli/tee_options.hpp"

#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

Result<void> read_into(const std::string& path, std::vector<uint8_t>& to) {
  if (path.empty()) return {};
  auto text = TRY(read_text(path));
  to.assign(text.begin(), text.end());
  return {};
}

}  // namespace

void add_tee_options(CLI::App& command, TeeArguments& to) {
  const std::string group = "Hardware TEEs";
  const auto file = [&](const char* name, std::string& path, const char* help) {
    command.add_option(name, path, help)->type_name("FILE")->group(group);
  };
  command
      .add_option("--policy", to.policy,
                  "Guest policy (snp, simulated: default 0x30000; sev, sev-es: 0xb, 0xf); tdx: "
                  "attributes")
      ->type_name("BITS")
      ->group(group);
  file("--id-block", to.id_block, "snp: ID block of `measure --id-key`; with --id-auth");
  file("--id-auth", to.id_auth, "snp: its authentication, with the author key if there is one");
  file("--certificates", to.certificates,
       "snp: GUID table with VCEK, ASK, ARK that the guest gets with its report");
  command
      .add_flag("--require-certificates", to.require_certificates,
                "snp: fail where KVM cannot pass them on")
      ->group(group);
  file("--owner-certificate", to.owner_certificate,
       "sev, sev-es: the owner's certificate; with --session");
  file("--session", to.session, "sev, sev-es: the owner's session with this platform");
  file("--platform-certificates", to.platform_certificates,
       "sev, sev-es: `sevctl export --full` of this host, for the image's broker, who judges the "
       "launch");
  command
      .add_option("--quote-service", to.quote_service,
                  "tdx: unix socket, or vsock:CID:PORT; \"\": no quotes")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(group);
  command
      .add_option("--huge-pages", to.huge_pages,
                  "Guest memory in pages of 2 MiB: off, transparent or reserved")
      ->capture_default_str()
      ->type_name("KIND");
}

Result<TeeOptions> tee_options(const TeeArguments& arguments) {
  TeeOptions options;
  options.policy = arguments.policy;
  TRY(read_into(arguments.id_block, options.id_block));
  TRY(read_into(arguments.id_auth, options.id_authentication));
  TRY(read_into(arguments.certificates, options.certificates));
  options.require_certificates = arguments.require_certificates;
  TRY(read_into(arguments.owner_certificate, options.owner_certificate));
  TRY(read_into(arguments.session, options.session));
  TRY(read_into(arguments.platform_certificates, options.platform_certificates));
  options.quote_service = arguments.quote_service;
  return options;
}

}  // namespace bartizan::cli
