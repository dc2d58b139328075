// What an administrator does with the registrations of our broker: bartizan list, show, unregister,
// rotate-key, expire, audit, audit-verify.
#include <filesystem>

#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "base/timestamp.hpp"
#include "cli/admin.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct AdminArguments : AccessArguments {
  std::string workload;  // an id, a digest, or an image that has them in it
  std::string key_file, at;
};

using Lines = std::vector<std::pair<std::string, std::string>>;

bool is_image(const std::string& workload) {
  std::error_code ignored;
  return std::filesystem::exists(workload, ignored);
}

// An id has no file of its name; an image has its digest in it.
Result<std::string> reference_of(const std::string& workload) {
  if (!is_image(workload)) return workload;
  return to_hex(TRY(inspect_image(workload)).workload_digest);
}

// Of a build, or of all that a signer signs.
std::string builds_of(const view::Json& one) {
  if (word(one, "signer").empty()) return word(one, "workload_digest");
  return fmt::format("of each build that is signed, version {} or later ({} got the key)",
                     word(one, "minimum_version"), word(one, "released_version"));
}

Result<int> list(const AdminArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const view::Json all = TRY(parsed(TRY(list_workloads(access)), view::Json::value_t::array));
  Lines lines;
  for (const view::Json& one : all) {
    if (!one.is_object()) continue;
    std::string line = "digest " + builds_of(one);
    if (word(one, "allow_simulated") == "true") line += ", simulated allowed";
    if (seconds_of(one, "expires") != 0) line += ", expires " + expiry_text(one);
    lines.emplace_back(word(one, "id"), line);
  }
  if (lines.empty()) lines.emplace_back("workloads", "none are registered");
  output.result(all, lines);
  return 0;
}

Result<int> show(const AdminArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const std::string reference = TRY(reference_of(arguments.workload));
  const view::Json one =
      TRY(parsed(TRY(show_workload(access, reference)), view::Json::value_t::object));
  Lines lines = {{"workload id", word(one, "id")},
                 {"workload digest", builds_of(one)},
                 {"signer", word(one, "signer")},
                 {"TEE", word(one, "tee")}};
  const auto measurements = one.find("measurements");
  if (measurements != one.end() && measurements->is_array()) {
    for (const view::Json& measurement : *measurements)
      if (measurement.is_string()) lines.emplace_back("measurement", measurement);
  }
  lines.emplace_back("resource", word(one, "resource"));
  lines.emplace_back("minimum TCB", word(one, "minimum_tcb"));
  const auto policy = one.find("policy");
  lines.emplace_back("policy", policy == one.end() || policy->is_null() ? "the verifier's defaults"
                                                                        : policy->dump());
  lines.emplace_back("simulated", word(one, "allow_simulated") == "true"
                                      ? "allowed: protects nothing"
                                      : "refused");
  lines.emplace_back("debug",
                     word(one, "allow_debug") == "true" ? "allowed: protects nothing" : "refused");
  lines.emplace_back("registered", rfc3339(seconds_of(one, "registered")));
  lines.emplace_back("expires", expiry_text(one));
  output.result(one, lines);
  return 0;
}

Result<int> unregister(const AdminArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const std::string reference = TRY(reference_of(arguments.workload));
  TRY(unregister_workload(access, reference));
  output.result({{"workload", reference}, {"unregistered", true}}, {{"unregistered", reference}});
  return 0;
}

// A key that does not open the image would lock its guests out.
Result<int> rotate(const AdminArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const std::string reference = TRY(reference_of(arguments.workload));
  const SecretBytes key = TRY(read_secret("--key-file", arguments.key_file));
  if (is_image(arguments.workload)) TRY(check_disk_key(arguments.workload, key));
  TRY(rotate_key(access, reference, key));
  output.result({{"workload", reference}, {"rotated", true}}, {{"key rotated", reference}});
  return 0;
}

Result<int> expire(const AdminArguments& arguments, Printer& output) {
  const int64_t at = TRY(parse_end("--at", arguments.at));
  auto access = TRY(admin_access(arguments));
  const std::string reference = TRY(reference_of(arguments.workload));
  TRY(expire_workload(access, reference, at));
  output.result({{"workload", reference}, {"expires", at}},
                {{"workload", reference}, {"expires", at == 0 ? "never" : rfc3339(at)}});
  return 0;
}

std::string audit_line(const view::Json& entry) {
  std::string line = word(entry, "decision");
  if (!word(entry, "reason").empty()) {
    line += " [" + word(entry, "reason") + "] expected " + word(entry, "expected") + ", got " +
            word(entry, "got");
  }
  if (!word(entry, "address").empty()) line += ", from " + word(entry, "address");
  if (seconds_of(entry, "times") > 1) {
    line += fmt::format(", {} times since {}", seconds_of(entry, "times"),
                        rfc3339(seconds_of(entry, "first")));
  }
  return line;
}

Result<int> audit(const AdminArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const std::string reference = TRY(reference_of(arguments.workload));
  const view::Json all =
      TRY(parsed(TRY(broker_audit(access, reference)), view::Json::value_t::array));
  Lines lines;
  for (const view::Json& entry : all) {
    if (entry.is_object())
      lines.emplace_back(rfc3339(seconds_of(entry, "time")), audit_line(entry));
  }
  if (lines.empty()) lines.emplace_back(reference, "no launch has asked for its key yet");
  output.result(all, lines);
  return 0;
}

struct AuditArguments {
  std::string state, noted_head;
};

Result<int> check_audit(const AuditArguments& arguments, Printer& output) {
  const view::Json chain = TRY(parsed(TRY(verify_audit(arguments.state, arguments.noted_head)),
                                      view::Json::value_t::object));
  Lines lines = {{"entries", word(chain, "entries")}, {"head", word(chain, "head")}};
  if (word(chain, "outside") != "0")
    lines.emplace_back("outside", word(chain, "outside") +
                                      " decisions that nothing vouches for: of a store from before "
                                      "the chain, or put in");
  output.result(chain, lines);
  return 0;
}

using AdminWork = Result<int> (*)(const AdminArguments&, Printer&);

CLI::App& add_admin_command(CLI::App& app, Invocation& session, const CommandText& text,
                            const std::shared_ptr<AdminArguments>& arguments, AdminWork work) {
  return add_command(app, session, text, [=](Printer& output) { return work(*arguments, output); });
}

}  // namespace

void add_list(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command = add_admin_command(app, session, text::list::kCommand, arguments, list);
  add_access(command, *arguments);
}

void add_show(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command = add_admin_command(app, session, text::show::kCommand, arguments, show);
  declare(command, text::show::kWorkload, arguments->workload);
  add_access(command, *arguments);
}

void add_unregister(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command =
      add_admin_command(app, session, text::unregister::kCommand, arguments, unregister);
  declare(command, text::unregister::kWorkload, arguments->workload);
  add_access(command, *arguments);
}

void add_rotate_key(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command =
      add_admin_command(app, session, text::rotate_key::kCommand, arguments, rotate);
  declare(command, text::rotate_key::kWorkload, arguments->workload);
  declare(command, text::rotate_key::kKeyFile, arguments->key_file);
  add_access(command, *arguments);
}

void add_expire(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command = add_admin_command(app, session, text::expire::kCommand, arguments, expire);
  declare(command, text::expire::kWorkload, arguments->workload);
  declare(command, text::expire::kAt, arguments->at);
  add_access(command, *arguments);
}

void add_audit(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AdminArguments>();
  CLI::App& command = add_admin_command(app, session, text::audit::kCommand, arguments, audit);
  declare(command, text::audit::kWorkload, arguments->workload);
  add_access(command, *arguments);
}

void add_verify_audit(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<AuditArguments>();
  CLI::App& command =
      add_command(app, session, text::audit_verify::kCommand,
                  [arguments](Printer& output) { return check_audit(*arguments, output); });
  declare(command, text::audit_verify::kState, arguments->state);
  declare(command, text::audit_verify::kHead, arguments->noted_head);
}

}  // namespace bartizan::cli
