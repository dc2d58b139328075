// Help texts that fit the terminal.
#pragma once

#include <CLI/CLI.hpp>

namespace bartizan::cli {

// Wraps what options and commands do at the width of the terminal that stdout is; at 100 columns if
// it is none.
class WrappedHelp : public CLI::Formatter {
 public:
  WrappedHelp();
  std::string make_option(const CLI::Option* option, bool positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;

 private:
  std::string row(const std::string& name, const std::string& text) const;
  size_t width_;
};

}  // namespace bartizan::cli
