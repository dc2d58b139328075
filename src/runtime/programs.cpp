#include "runtime/programs.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/environment.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "runtime";
// Engines start their runtime with an environment of a few variables, at times without PATH.
constexpr char kSearchPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

Result<pid_t> start(std::vector<std::string> words, Environment environment, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  char* none[] = {nullptr};
  pid_t child = 0;
  const int error =
      ::posix_spawn(&child, words[0].c_str(), &actions, nullptr, pointers(words).data(),
                    environment == Environment::own ? environ : none);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error(error, kOrigin, fmt::format("start {}", words[0]));
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::optional<fs::path> find_in_path(const std::string& name) {
  if (name.find('/') != name.npos) return name;
  const std::string path = environment("PATH").value_or(kSearchPath);
  for (size_t at = 0; at <= path.size();) {
    const size_t colon = std::min(path.find(':', at), path.size());
    const fs::path file = fs::path(path.substr(at, colon - at)) / name;
    if (::access(file.c_str(), X_OK) == 0) return file;
    at = colon + 1;
  }
  return std::nullopt;
}

// A runtime that calls itself would do so for ever.
Result<fs::path> check_is_another(const fs::path& program) {
  std::error_code error;
  if (!fs::equivalent(program, "/proc/self/exe", error) || error) return program;
  return invalid(kOrigin, "stock runtime {}: it is bartizan-runtime itself: name crun or runc",
                 program.string());
}

Result<fs::path> named_runtime(const std::string& name) {
  auto found = find_in_path(name);
  if (found && ::access(found->c_str(), X_OK) == 0) return check_is_another(*found);
  return make_error(ErrorCode::not_found, kOrigin,
                    "stock runtime {}: no such program: install it or name another "
                    "(--oci-runtime, \"oci_runtime\" in runtime.json)",
                    name);
}

}  // namespace

Result<fs::path> own_program() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return errno_error(error.value(), kOrigin, "/proc/self/exe");
  return program;
}

Result<ProgramResult> run_program(const std::vector<std::string>& words, Environment environment) {
  auto pipe = TRY(make_pipe());
  const pid_t child = TRY(start(words, environment, pipe.write.get()));
  pipe.write.reset();
  Bytes text(kMaxOutputBytes);
  auto size = read_up_to(pipe.read.get(), text, words[0]);
  pipe.read.reset();
  const int status = wait_for(child);
  text.resize(TRY(std::move(size)));
  return ProgramResult{status, std::string(as_text(text))};
}

Result<std::string> output_of(const std::vector<std::string>& words, Environment environment) {
  auto result = TRY(run_program(words, environment));
  if (result.status == 0) return std::move(result.output);
  return make_error(ErrorCode::io, kOrigin, "{}: ended with status {}", words[0], result.status);
}

Result<fs::path> find_stock_runtime(const std::string& given, const std::string& setting) {
  const std::string variable = environment("BARTIZAN_OCI_RUNTIME").value_or("");
  for (const std::string& name : {given, variable, setting})
    if (!name.empty()) return named_runtime(name);
  for (const char* name : {"crun", "runc"})
    if (auto found = find_in_path(name)) return check_is_another(*found);
  return make_error(ErrorCode::not_found, kOrigin,
                    "no crun and no runc in PATH: install one of them (apt-get install crun)");
}

Error become(const fs::path& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  ::execv(program.c_str(), pointers(words).data());
  return errno_error(errno, kOrigin, "start " + program.string());
}

}  // namespace bartizan::runtime
