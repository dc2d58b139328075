// Other programs that this one starts or becomes: the stock runtime, the dynamic loader.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bartizan/result.hpp"
#include "base/units.hpp"

namespace bartizan::runtime {

enum class Environment { own, none };

// A list of libraries and the state of a container have a few KiB.
constexpr size_t kMaxOutputBytes = 256 * kKiB;

// The file that this program was started from.
Result<std::filesystem::path> own_program();

struct ProgramResult {
  int status = 0;  // 128 + its number for a signal
  std::string output;
};
// What `words` prints on its standard output, at most kMaxOutputBytes, and how it ends. Standard
// error is dropped. Errors: it could not be started.
Result<ProgramResult> run_program(const std::vector<std::string>& words, Environment environment);
// The same where only success counts; io: another status than 0.
Result<std::string> output_of(const std::vector<std::string>& words, Environment environment);

// The stock runtime, by what the command line gives, else $BARTIZAN_OCI_RUNTIME, else the settings,
// else crun, else runc: a path, or a name that is looked up in PATH. not_found: there is none;
// invalid_argument: it is this program.
Result<std::filesystem::path> find_stock_runtime(const std::string& given,
                                                 const std::string& setting);

// Becomes the program; returns only if that fails.
Error become(const std::filesystem::path& program, const std::vector<std::string>& arguments);

}  // namespace bartizan::runtime
