// The texts of commands and options, which scripts/make-api writes from api/cli.toml, and how an
// option is declared by them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
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
  bool positive;      // 0 has the program's meaning "not given", which nobody types
};

// An option in the library's errors, and as it is typed.
struct LibraryName {
  const char* name;
  const char* flag;
};

struct CommandText {
  const char* name;
  const char* summary;
  const char* examples;
  const char* about;
};

// An empty word is a shell variable that was not set.
inline std::string check_word(const std::string& word) {
  return word.empty() ? "the value is empty: leave the option out" : "";
}

// A number with a leading zero is octal for some and decimal for others.
inline std::string check_number(const std::string& word) {
  bool ambiguous = word.size() > 1 && word[0] == '0' && word[1] >= '0' && word[1] <= '9';
  return ambiguous ? word + ": a number with a leading zero: write it without" : "";
}

// What is named by an operand has an end, a place and a name.
inline std::string check_operand(const std::string& word) {
  return word == "-"
             ? "\"-\": not possible by a standard stream: name a file (./- if that is its name)"
             : "";
}

// "512M" where a number of MiB is wanted.
inline std::string check_mebibytes(const std::string& word) {
  return word.find_first_not_of("0123456789") == word.npos && !word.empty()
             ? ""
             : "\"" + word + "\" is not a number of MiB, like 512";
}

inline std::string check_positive(const std::string& word) {
  return word.find_first_of("123456789") == word.npos ? word + ": leave the option out instead"
                                                      : "";
}

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
  if constexpr (!std::is_same_v<Value, bool>) option->check(check_word);
  if constexpr (std::is_integral_v<Value> && !std::is_same_v<Value, bool>)
    option->check(check_number);
  if (std::string_view(text.metavar) == "MIB") option->check(check_mebibytes);
  if (text.flags[0] != '-') option->check(check_operand);
  if (text.positive) option->check(check_positive);
  if (*text.metavar) option->type_name(text.metavar);
  if (*text.group) option->group(text.group);
  if (text.show_default) option->capture_default_str();
  if (text.list) option->delimiter(',');
  return option;
}

}  // namespace bartizan::cli
