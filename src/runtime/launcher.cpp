#include "runtime/launcher.hpp"

#include <unistd.h>

#include "base/errors.hpp"
#include "runtime/config_parts.hpp"
#include "runtime/programs.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "runtime";
constexpr char kHostLoader[] = "/lib64/ld-linux-x86-64.so.2";  // System V ABI, AMD64 supplement

Result<fs::path> launcher_program() {
  const fs::path own = TRY(own_program());
  const fs::path program = own.parent_path() / "bartizan";
  if (::access(program.c_str(), X_OK) == 0) return program;
  return make_error(ErrorCode::not_found, kOrigin,
                    "{} is missing: install the command `bartizan` beside {}", program.string(),
                    own.filename().string());
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == text.npos ? std::string_view() : text.substr(begin);
}

// The next line of `text`, which is shortened by it.
std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

Result<void> take_line(std::string_view line, std::vector<HostFile>& to) {
  const size_t arrow = line.find(" => ");
  if (arrow == line.npos) return {};  // the loader itself, linux-vdso
  const std::string name(trim(line.substr(0, arrow)));
  const std::string_view rest = line.substr(arrow + 4);
  if (!rest.starts_with('/'))
    return make_error(ErrorCode::not_found, kOrigin, "library {}: {}", name, rest);
  const std::string_view path = rest.substr(0, rest.rfind(" ("));
  if (name.find('/') != name.npos || to.size() >= kMaxLibraries)
    return make_error(ErrorCode::corrupt, kOrigin, "list of libraries: \"{}\"", line);
  to.push_back({path, fmt::format("{}/{}", kLibraries, name)});
  return {};
}

}  // namespace

Result<std::vector<HostFile>> parse_library_list(std::string_view text) {
  std::vector<HostFile> files;
  while (!text.empty()) TRY(take_line(next_line(text), files));
  return files;
}

Result<std::vector<HostFile>> launcher_files() {
  const fs::path program = TRY(launcher_program());
  const std::string list =
      TRY(output_of({kHostLoader, "--list", program.string()}, Environment::none));
  std::vector<HostFile> files = TRY(parse_library_list(list));
  files.push_back({kHostLoader, std::string(kLoader)});
  files.push_back({program, std::string(kProgram)});
  return files;
}

Result<void> check_probe_answer(std::string_view json, Tee tee) {
  const Json answer = TRY(parse_json(json, "answer of `bartizan probe`"));
  if (member(answer, "available") == true) return {};
  const std::string missing = text_of(answer, "missing"), advice = text_of(answer, "advice");
  const std::string reason =
      missing.empty() ? text_of(member(answer, "error"), "message") : missing;
  return make_error(ErrorCode::unsupported, kOrigin, "this host cannot run {}: {}{}{}",
                    to_string(tee), reason, advice.empty() ? "" : ": ", advice);
}

Result<void> check_host_tee(Tee tee) {
  if (tee == Tee::none || tee == Tee::simulated) return {};
  const std::string program = TRY(launcher_program()).string();
  const auto probed = TRY(run_program(
      {program, "probe", "--tee", std::string(to_string(tee)), "--json"}, Environment::own));
  return check_probe_answer(probed.output, tee);
}

}  // namespace bartizan::runtime
