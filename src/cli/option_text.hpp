// The texts of commands and options, which scripts/make-api writes from api/cli.toml, and how an
// option is declared by them.
#pragma once

#include <CLI/CLI.hpp>
#include <type_traits>

namespace bartizan::cli {

struct OptionText {
  const char* flags;  // "--output,-o"; positional: "IMAGE"
  const char* metavar;
  const char* help;
  const char* group;  // "": the first
  bool required;
  bool show_default;  // of the variable that it is bound to
  bool list;          // values may be joined by commas
};

struct CommandText {
  const char* name;
  const char* summary;
  const char* examples;
  const char* about;
};

// A flag for a bool, else an option with a value.
template <typename Value>
CLI::Option* declare(CLI::App& command, const OptionText& text, Value& to) {
  CLI::Option* option = nullptr;
  if constexpr (std::is_same_v<Value, bool>) {
    option = command.add_flag(text.flags, to, text.help);
  } else {
    option = command.add_option(text.flags, to, text.help);
  }
  option->required(text.required);
  if (*text.metavar) option->type_name(text.metavar);
  if (*text.group) option->group(text.group);
  if (text.show_default) option->capture_default_str();
  if (text.list) option->delimiter(',');
  return option;
}

}  // namespace bartizan::cli
