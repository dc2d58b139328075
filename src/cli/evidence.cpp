// bartizan evidence verify, bartizan evidence show

#include "bartizan/attest.hpp"
#include "base/file.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"

namespace bartizan::cli {

namespace {

constexpr uint64_t kMaxEvidenceFile = 4 * 1024 * 1024, kMaxPolicyFile = 64 * 1024;
constexpr size_t kMaxCertificateFiles = 8;

struct EvidenceArguments {
  std::string evidence, kind, policy, at;
  std::filesystem::path collateral;
  std::vector<std::string> certificates;
};

Result<Tee> kind_of(const std::string& kind) {
  if (kind == "snp") return Tee::snp;
  if (kind == "tdx") return Tee::tdx;
  if (kind == "simulated") return Tee::simulated;
  if (kind == "sev" || kind == "sev-es") {
    return make_error(ErrorCode::unsupported, "cli",
                      "--kind {}: guests of SEV bring no evidence; their launch is judged before "
                      "it by the broker (docs/tee.md, \"Pre-attestation\")",
                      kind);
  }
  return invalid_value("--kind", kind, "snp, tdx or simulated");
}

// JSON begins with a brace; a report begins with its version, a quote with its own.
bool is_json(const std::vector<uint8_t>& bytes) {
  for (const uint8_t byte : bytes) {
    if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') continue;
    return byte == '{';
  }
  return false;
}

Result<Evidence> read_evidence(const EvidenceArguments& arguments) {
  const Tee tee = TRY(kind_of(arguments.kind));
  auto bytes = TRY(read_regular_file(arguments.evidence, kMaxEvidenceFile));
  Evidence evidence;
  if (is_json(bytes)) {
    evidence = TRY(evidence_from_json(as_text(bytes), tee));
  } else {
    evidence.tee = tee;
    evidence.report = std::move(bytes);
  }
  if (arguments.certificates.size() > kMaxCertificateFiles)
    return invalid("cli", "--certificate: at most {} files", kMaxCertificateFiles);
  for (const std::string& path : arguments.certificates)
    evidence.certificates.push_back(TRY(read_regular_file(path, kMaxPolicyFile)));
  return evidence;
}

Result<EvidencePolicy> read_evidence_policy(const EvidenceArguments& arguments) {
  EvidencePolicy policy;
  if (!arguments.policy.empty()) {
    auto bytes = TRY(read_regular_file(arguments.policy, kMaxPolicyFile));
    // A file that was cut to nothing is no wish for the defaults.
    if (bytes.empty())
      return make_error(ErrorCode::corrupt, "cli", "--policy {}: empty", arguments.policy);
    policy.json = std::string(as_text(bytes));
  }
  if (!arguments.at.empty()) policy.now = TRY(parse_date("--at", arguments.at));
  policy.collateral = arguments.collateral;
  return policy;
}

std::string line_of(const EvidenceCheck& check) {
  if (check.outcome == CheckOutcome::not_applicable) return "- " + check.found;
  if (check.outcome == CheckOutcome::passed) return "ok: " + check.found;
  return "FAILED: expected " + check.expected + ", found " + check.found;
}

// As verify(1)s do: the verdict on stdout whatever it is, and the status says it too.
Result<int> verify_evidence_file(const EvidenceArguments& arguments, Printer& output) {
  auto policy = TRY(read_evidence_policy(arguments));
  auto evidence = TRY(read_evidence(arguments));
  auto verdict = TRY(judge_evidence(evidence, policy));
  std::vector<std::pair<std::string, std::string>> lines;
  for (const EvidenceCheck& check : verdict.checks) lines.emplace_back(check.name, line_of(check));
  lines.emplace_back("verdict", verdict.accepted
                                    ? "accepted"
                                    : "refused (" + verdict.reason + "): " + verdict.message);
  output.result(view::to_json(verdict), lines);
  return verdict.accepted ? 0 : kExitError;
}

Result<int> show_evidence_file(const EvidenceArguments& arguments, Printer& output) {
  auto evidence = TRY(read_evidence(arguments));
  auto said = TRY(show_evidence(evidence));
  const view::Json json = view::to_json(said);
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [name, value] : json.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!text.empty() && text != "[]") lines.emplace_back(name, text);
  }
  lines.emplace_back("note", "not verified: `bartizan evidence verify` judges it");
  output.result(json, lines);
  return 0;
}

void add_evidence_verify(CLI::App& group, Invocation& session) {
  auto arguments = std::make_shared<EvidenceArguments>();
  CLI::App& command = add_command(
      group, session, text::evidence_verify::kCommand,
      [arguments](Printer& output) { return verify_evidence_file(*arguments, output); });
  declare(command, text::evidence_verify::kEvidence, arguments->evidence);
  declare(command, text::evidence_verify::kKind, arguments->kind);
  declare(command, text::evidence_verify::kPolicy, arguments->policy);
  declare(command, text::evidence_verify::kAt, arguments->at);
  declare(command, text::evidence_verify::kCollateral, arguments->collateral);
  declare(command, text::evidence_verify::kCertificate, arguments->certificates);
}

void add_evidence_show(CLI::App& group, Invocation& session) {
  auto arguments = std::make_shared<EvidenceArguments>();
  CLI::App& command =
      add_command(group, session, text::evidence_show::kCommand,
                  [arguments](Printer& output) { return show_evidence_file(*arguments, output); });
  declare(command, text::evidence_show::kEvidence, arguments->evidence);
  declare(command, text::evidence_show::kKind, arguments->kind);
}

}  // namespace

void add_evidence(CLI::App& app, Invocation& session) {
  CLI::App* group = app.add_subcommand("evidence", "Evidence of TEEs: judge it, show it");
  group->require_subcommand(1);
  add_json_flag(*group, session);
  add_evidence_verify(*group, session);
  add_evidence_show(*group, session);
}

}  // namespace bartizan::cli
