#include "cli/help.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace bartizan::cli {

namespace {

constexpr size_t kMostColumns = 100, kLeastColumns = 50;
constexpr size_t kMargin = 2, kGap = 1;

size_t terminal_width() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kMostColumns;
  return std::clamp<size_t>(size.ws_col, kLeastColumns, kMostColumns);
}

// Lines of at most `width` columns, broken at spaces; a longer word has a line of its own.
std::vector<std::string> wrap(const std::string& text, size_t width) {
  std::vector<std::string> lines(1);
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    std::string& line = lines.back();
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(word);
    } else {
      line += (line.empty() ? "" : " ") + word;
    }
  }
  return lines;
}

}  // namespace

WrappedHelp::WrappedHelp() : width_(terminal_width()) {}

std::string WrappedHelp::row(const std::string& name, const std::string& text) const {
  const std::string margin(kMargin, ' '), indent(get_column_width(), ' ');
  std::string rows;
  std::string begin;
  for (const std::string& part : wrap(name, width_ - kMargin)) {
    if (!begin.empty()) rows += begin + "\n";
    begin = margin + part;
  }
  if (text.empty()) return rows + begin + "\n";
  if (begin.size() + kGap > indent.size()) {
    rows += begin + "\n";
    begin.clear();
  }
  for (const std::string& line : wrap(text, width_ - indent.size())) {
    begin.resize(indent.size(), ' ');
    rows += begin + line + "\n";
    begin.clear();
  }
  return rows;
}

std::string WrappedHelp::make_option(const CLI::Option* option, bool positional) const {
  return row(make_option_name(option, positional) + make_option_opts(option),
             make_option_desc(option));
}

std::string WrappedHelp::make_subcommand(const CLI::App* command) const {
  return row(command->get_display_name(true), command->get_description());
}

}  // namespace bartizan::cli
