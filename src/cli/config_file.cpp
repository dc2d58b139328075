#include "cli/config_file.hpp"

#include <algorithm>
#include <optional>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::cli {

namespace {

constexpr uint64_t kMaxConfigFile = 64 * 1024;
constexpr const char* kConfigOption = "--config";

struct FileSetting {
  std::string name;
  Words values;
  bool is_list = false, is_truth = false;
  size_t line = 0;
};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// The part of TOML that options need: names, texts, numbers, truths and lists of them.
class ConfigReader {
 public:
  ConfigReader(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  Result<std::vector<FileSetting>> all() {
    std::vector<FileSetting> settings;
    for (skip(); !text_.empty(); skip()) {
      FileSetting one = TRY(setting());
      const bool again =
          std::ranges::any_of(settings, [&](const FileSetting& s) { return s.name == one.name; });
      if (again) return wrong(one.line, fmt::format("\"{}\" is set twice", one.name));
      settings.push_back(std::move(one));
    }
    return settings;
  }

 private:
  Error wrong(size_t line, std::string_view what) const {
    return invalid("cli", "{} {}, line {}: {}", kConfigOption, file_, line, what);
  }
  Error unreadable() const {
    return wrong(line_, "not of the form: option = \"text\", 10, true or [\"one\", \"another\"]");
  }
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void skip_blanks() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t"), text_.size()));
  }
  // Blanks, ends of lines and comments.
  void skip() {
    for (skip_blanks(); !text_.empty(); skip_blanks()) {
      if (text_[0] == '#') text_.remove_prefix(std::min(text_.find('\n'), text_.size()));
      if (text_.empty() || (text_[0] != '\n' && !text_.starts_with("\r\n"))) return;
      text_.remove_prefix(text_[0] == '\n' ? 1 : 2);
      ++line_;
    }
  }

  Result<FileSetting> setting() {
    FileSetting to;
    to.line = line_;
    if (text_[0] == '[') return wrong(line_, "a table: the options stand in the file as they are");
    const size_t size = std::ranges::find_if_not(text_, is_name_character) - text_.begin();
    to.name = text_.substr(0, size);
    text_.remove_prefix(size);
    skip_blanks();
    if (to.name.empty() || !take('=')) return unreadable();
    skip_blanks();
    to.is_list = take('[');
    TRY(to.is_list ? list(to) : value(to));
    skip_blanks();
    const bool ends = text_.empty() || text_[0] == '#' || text_[0] == '\n' || text_[0] == '\r';
    if (!ends) return unreadable();
    return to;
  }

  Result<void> list(FileSetting& to) {
    for (skip(); !take(']'); skip()) {
      TRY(value(to));
      skip();
      if (!take(',') && !text_.starts_with(']')) return unreadable();
    }
    return {};
  }

  Result<void> value(FileSetting& to) {
    if (text_.starts_with('"') || text_.starts_with('\'')) return quoted(to);
    const size_t size = std::ranges::find_if_not(text_, is_name_character) - text_.begin();
    const std::string word(text_.substr(0, size));
    const bool truth = word == "true" || word == "false";
    const bool number = !word.empty() && word.find_first_not_of("0123456789") == word.npos;
    if ((!truth && !number) || (truth && to.is_list)) return unreadable();
    text_.remove_prefix(size);
    to.is_truth = truth;
    to.values.push_back(word);
    return {};
  }

  // "…" with \" and \\, or '…'.
  Result<void> quoted(FileSetting& to) {
    const char mark = text_[0];
    std::string text;
    for (text_.remove_prefix(1); !text_.empty() && text_[0] != '\n'; text_.remove_prefix(1)) {
      if (take(mark)) {
        to.values.push_back(std::move(text));
        return {};
      }
      if (mark == '"' && take('\\') && !text_.starts_with('"') && !text_.starts_with('\\'))
        return wrong(line_, "in \"…\" a backslash stands before \" or another one; '…' has none");
      if (text_.empty()) break;
      text += text_[0];
    }
    return wrong(line_, "a text without its end");
  }

  const std::string& file_;
  std::string_view text_;
  size_t line_ = 1;
};

bool is_given(const Words& words, const std::string& flag) {
  return std::ranges::any_of(
      words, [&](const std::string& w) { return w == flag || w.starts_with(flag + "="); });
}

// The last --config counts for nothing here: the parser refuses a second one.
std::optional<std::string> config_of(const Words& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string attached = std::string(kConfigOption) + "=";
    if (words[i].starts_with(attached)) return words[i].substr(attached.size());
    if (words[i] == kConfigOption && i + 1 < words.size()) return words[i + 1];
  }
  return {};
}

Result<void> check_setting(const std::string& file, const CLI::App& command,
                           const FileSetting& setting) {
  const auto wrong = [&](std::string_view what) {
    return invalid("cli", "{} {}, line {}: \"{}\": {}", kConfigOption, file, setting.line,
                   setting.name, what);
  };
  const CLI::Option* option = command.get_option_no_throw("--" + setting.name);
  if (!option || setting.name == "config" || setting.name == "help")
    return wrong(fmt::format("bartizan {} has no such option for a file", command.get_name()));
  const bool flag = option->get_items_expected_max() == 0;
  if (flag != setting.is_truth) return wrong(flag ? "true or false" : "a text or a number");
  if (setting.is_list && option->get_items_expected_max() == 1) return wrong("one value, no list");
  for (const std::string& value : setting.values)
    if (value.empty()) return wrong("the value is empty: leave the option out");
  return {};
}

const CLI::App* command_with_file(const CLI::App& app, const Words& words) {
  if (words.empty()) return nullptr;
  for (const CLI::App* command : app.get_subcommands({}))
    if (command->get_name() == words[0] && command->get_option_no_throw(kConfigOption))
      return command;
  return nullptr;
}

}  // namespace

Result<Words> with_config_file(const CLI::App& app, Words words) {
  const CLI::App* command = command_with_file(app, words);
  const auto file = config_of(words);
  if (!command || !file || file->empty()) return words;
  auto content = read_regular_file(*file, kMaxConfigFile);
  if (!content.ok()) {
    Error error = std::move(content).error();
    error.message = fmt::format("{}: {}", kConfigOption, error.message);
    return error;
  }
  Words added;
  for (const FileSetting& setting : TRY(ConfigReader(*file, as_text(*content)).all())) {
    TRY(check_setting(*file, *command, setting));
    const std::string flag = "--" + setting.name;
    if (is_given(words, flag) || (setting.is_truth && setting.values[0] == "false")) continue;
    for (const std::string& value : setting.values)
      added.push_back(setting.is_truth ? flag : flag + "=" + value);
  }
  words.insert(words.begin() + 1, added.begin(), added.end());
  return words;
}

}  // namespace bartizan::cli
