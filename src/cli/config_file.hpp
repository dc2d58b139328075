// --config: options of a command from a file, so that a service has no long command line.
#pragma once

#include "bartizan/result.hpp"
#include "cli/usage.hpp"

namespace bartizan::cli {

// Words with the settings of the file that --config names put in front of the options, for a
// command that has --config; others as they are. An option on the command line takes the place of
// the file's. The file is TOML without tables: `tls-name = ["a", "b"]`, each name that of an option
// without its dashes. invalid_argument names file and line: not such a file, no such option, a name
// twice.
Result<Words> with_config_file(const CLI::App& app, Words words);

}  // namespace bartizan::cli
