// bartizan token create, bartizan token list, bartizan token revoke
#include "base/timestamp.hpp"
#include "cli/admin.hpp"
#include "cli/secret.hpp"

namespace bartizan::cli {

namespace {

struct TokenArguments : AccessArguments {
  std::string name, scope, expires, output;
};

Result<int> make_token(const TokenArguments& arguments, Printer& output) {
  const int64_t expires = TRY(parse_end("--expires", arguments.expires));
  auto access = TRY(admin_access(arguments));
  if (!is_standard_stream(arguments.output))
    TRY(require_parent("--output", arguments.output));  // before there is a token that nobody has
  const SecretBytes token = TRY(create_token(access, arguments.name, arguments.scope, expires));
  auto written = write_secret(arguments.output, token);
  if (!written.ok()) {  // nobody has it
    (void)revoke_token(access, arguments.name);
    return std::move(written).error();
  }
  output.stdout_taken = is_standard_stream(arguments.output);
  output.result({{"name", arguments.name}, {"scope", arguments.scope}, {"expires", expires}},
                {{"token", arguments.name},
                 {"scope", arguments.scope},
                 {"expires", expires == 0 ? "never" : rfc3339(expires)}});
  return 0;
}

Result<int> show_tokens(const TokenArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  const view::Json all = TRY(parsed(TRY(list_tokens(access)), view::Json::value_t::array));
  std::vector<std::pair<std::string, std::string>> lines;
  for (const view::Json& one : all) {
    if (!one.is_object()) continue;
    lines.emplace_back(word(one, "name"),
                       fmt::format("scope {}, made {}, expires {}", word(one, "scope"),
                                   rfc3339(seconds_of(one, "created")), expiry_text(one)));
  }
  if (lines.empty()) lines.emplace_back("tokens", "none beside that of the state folder");
  output.result(all, lines);
  return 0;
}

Result<int> end_token(const TokenArguments& arguments, Printer& output) {
  auto access = TRY(admin_access(arguments));
  TRY(revoke_token(access, arguments.name));
  output.result({{"name", arguments.name}, {"revoked", true}}, {{"revoked", arguments.name}});
  return 0;
}

}  // namespace

void add_token(CLI::App& app, Invocation& session) {
  CLI::App* group = app.add_subcommand("token", "Tokens of the broker's administrators");
  group->require_subcommand(1);
  add_json_flag(*group, session);
  const auto add = [&](const CommandText& text, auto work) {
    auto arguments = std::make_shared<TokenArguments>();
    CLI::App& command = add_command(*group, session, text, [arguments, work](Printer& output) {
      return work(*arguments, output);
    });
    return std::pair<CLI::App&, std::shared_ptr<TokenArguments>>(command, arguments);
  };
  auto [create_command, made] = add(text::token_create::kCommand, make_token);
  declare(create_command, text::token_create::kName, made->name);
  declare(create_command, text::token_create::kScope, made->scope);
  declare(create_command, text::token_create::kExpires, made->expires);
  declare(create_command, text::token_create::kOutput, made->output);
  add_access(create_command, *made);
  auto [list_command, listed] = add(text::token_list::kCommand, show_tokens);
  add_access(list_command, *listed);
  auto [revoke_command, revoked] = add(text::token_revoke::kCommand, end_token);
  declare(revoke_command, text::token_revoke::kName, revoked->name);
  add_access(revoke_command, *revoked);
}

}  // namespace bartizan::cli
