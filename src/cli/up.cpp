// bartizan up: all that leads from an ordinary image to a served port, with defaults. Each step is
// a command of this program, run here by the words that it prints; the broker lives as long as the
// guest.
#include "cli/up.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <csignal>
#include <cstdlib>

#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "base/environment.hpp"
#include "base/file.hpp"
#include "cli/command.hpp"
#include "cli/parse.hpp"

namespace bartizan::cli {

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr uint16_t kUsualPort = 8443;
constexpr uint64_t kMaxNoteBytes = 64 << 10;
constexpr const char* kFetched = "fetched";
constexpr size_t kKeyDigits = 32;  // of a digest

struct Arguments {
  std::string source, reference, tee, kvm_device = "/dev/kvm";
  fs::path state, bundle;
  std::vector<std::string> publish;
  uint32_t vcpus = 0, ram_mib = 0;
  bool dry_run = false, log_guest = false;
};

// What the steps are made of.
struct Plan {
  const Arguments& arguments;
  Tee tee = Tee::simulated;
  fs::path state;
  uint16_t port = kUsualPort;
  std::string source_key = kFetched;  // folder below state/images

  fs::path broker() const { return state / "broker"; }
  bool makes_bundle() const { return arguments.bundle.empty(); }
  fs::path bundle() const { return makes_bundle() ? state / "bundle" : arguments.bundle; }
  fs::path folder() const { return state / "images" / source_key; }
  fs::path image() const { return folder() / "image"; }
  fs::path key() const { return folder() / "disk.key"; }
  fs::path note() const { return folder() / "made-by"; }
};

fs::path default_state() {
  if (auto state = environment("XDG_STATE_HOME")) return fs::path(*state) / "bartizan";
  return fs::path(environment("HOME").value_or("")) / ".local/state/bartizan";
}

std::string without_oci(const std::string& source) {
  return source.starts_with("oci:") ? source.substr(4) : source;
}

// What the arguments say, judged before anything is made; gives the name under which the image that
// is built of the source is kept: its digest, or "fetched" for what comes from elsewhere, which is
// built each time.
Result<std::string> check_arguments(const Arguments& arguments, const fs::path& state) {
  for (const std::string& port : arguments.publish) TRY(parse_publish(port));
  if (!arguments.bundle.empty()) TRY(read_bundle(arguments.bundle));
  BuildOptions options;
  options.source = without_oci(arguments.source);
  options.reference = arguments.reference;
  options.output = state / "images";
  if (arguments.vcpus != 0) options.vcpus = arguments.vcpus;
  if (arguments.ram_mib != 0) options.ram_mib = arguments.ram_mib;
  const std::string digest = TRY(check_build(options)).source_digest;
  const size_t colon = digest.find(':');
  return colon == digest.npos ? std::string(kFetched) : digest.substr(colon + 1, kKeyDigits);
}

// ---- the steps, in words

Words broker_words(const Plan& plan) {
  return {"broker", "--state", plan.broker(), "--listen", fmt::format("127.0.0.1:{}", plan.port)};
}

Words bundle_words(const Plan& plan) {
  return {"bundle", "create", "--output", plan.bundle()};
}

Words build_words(const Plan& plan) {
  Words words = {"build",       without_oci(plan.arguments.source),
                 "--output",    plan.image(),
                 "--key-out",   plan.key(),
                 "--broker",    fmt::format("https://10.0.2.2:{}", plan.port),
                 "--broker-ca", plan.broker() / "ca.pem"};
  const auto add = [&](const char* option, const std::string& value) {
    words.insert(words.end(), {option, value});
  };
  if (!plan.arguments.reference.empty()) add("--reference", plan.arguments.reference);
  if (plan.arguments.vcpus) add("--vcpus", std::to_string(plan.arguments.vcpus));
  if (plan.arguments.ram_mib) add("--memory", std::to_string(plan.arguments.ram_mib));
  return words;
}

Words register_words(const Plan& plan) {
  Words words = {"register",     plan.image(),
                 "--broker",     fmt::format("https://127.0.0.1:{}", plan.port),
                 "--ca",         plan.broker() / "ca.pem",
                 "--token-file", plan.broker() / "admin.token",
                 "--key-file",   plan.key(),
                 "--bundle",     plan.bundle(),
                 "--tee",        std::string(to_string(plan.tee)),
                 "--replace"};  // what was built of this source before is gone
  if (plan.tee == Tee::simulated) words.emplace_back("--allow-simulated");
  return words;
}

Words run_words(const Plan& plan) {
  Words words = {"run",      plan.image(), "--tee", std::string(to_string(plan.tee)),
                 "--bundle", plan.bundle()};
  // its broker is ours, at a port of ours
  words.insert(words.end(), {"--allow", fmt::format("loopback:{}", plan.port)});
  for (const std::string& port : plan.arguments.publish)
    words.insert(words.end(), {"--publish", port});
  if (plan.arguments.kvm_device != "/dev/kvm")
    words.insert(words.end(), {"--kvm-device", plan.arguments.kvm_device});
  if (plan.arguments.log_guest) words.emplace_back("--log-guest");
  return words;
}

// As a shell reads it.
std::string command_line(const Words& words) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  std::string line = "bartizan";
  for (const std::string& word : words) {
    line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (char character : word)
      line += character == '\'' ? std::string("'\\''") : std::string(1, character);
    line += '\'';
  }
  return line;
}

// ---- running them

// One command of this program, in this process. Its result is printed only if `shown`.
Result<int> run_command(const Words& words, bool shown, const Printer& output) {
  output.note("$ " + command_line(words));
  CLI::App app{text::kSummary, "bartizan"};
  Invocation session;
  add_bundle(app, session);
  add_build(app, session);
  add_register(app, session);
  add_run(app, session);
  Words reversed(words.rbegin(), words.rend());
  if (shown && output.json) reversed.insert(reversed.begin(), "--json");
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return invalid("cli", "{}", error.what());
  }
  session.output.quiet = !shown;
  for (int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);  // a build takes them
  return session.work();
}

// What `made-by` holds: the command, and the certificate that is inside the image.
Result<std::string> image_note(const Plan& plan) {
  auto ca = TRY(read_file(plan.broker() / "ca.pem", kMaxNoteBytes));
  return command_line(build_words(plan)) + '\n' + std::string(ca.begin(), ca.end());
}

Result<void> build_once(const Plan& plan, const Printer& output) {
  const std::string wanted = TRY(image_note(plan));
  auto known = read_file(plan.note(), kMaxNoteBytes);
  if (plan.source_key != kFetched && known.ok() &&
      std::string(known->begin(), known->end()) == wanted) {
    output.note("image: " + plan.image().string() + " was made before, by");
    output.note("$ " + command_line(build_words(plan)));
    return {};
  }
  std::error_code error;
  fs::remove_all(plan.folder(), error);
  if (!error) fs::create_directories(plan.folder(), error);
  if (error) return errno_error(error.value(), "cli", plan.folder().string());
  TRY(run_command(build_words(plan), false, output));
  return write_file(plan.note(), as_bytes(wanted));
}

// The broker's port is inside the image: the same one each time.
uint16_t kept_port(const Plan& plan) {
  auto text = read_file(plan.state / "port", 16);
  const int port = text.ok() ? std::atoi(std::string(text->begin(), text->end()).c_str()) : 0;
  return port > 0 && port <= 65535 ? static_cast<uint16_t>(port) : 0;
}

Result<Broker> listen(const Plan& plan, uint16_t port, const Printer& output) {
  BrokerOptions options;
  options.state = plan.broker();
  options.port = port;
  options.log = output.log();
  return Broker::start(options);
}

Result<Broker> start_broker(Plan& plan, const Printer& output) {
  auto kept = listen(plan, kept_port(plan), output);
  const bool taken = !kept.ok() && kept.error().code == ErrorCode::already_exists;
  auto broker = TRY(taken ? listen(plan, 0, output) : std::move(kept));
  plan.port = broker.port();
  TRY(write_file(plan.state / "port", as_bytes(std::to_string(plan.port))));
  output.note("$ " + command_line(broker_words(plan)) + " &");
  return broker;
}

// One at a time in a state folder: the broker's store, and the image that would be replaced.
Result<UniqueFd> lock_state(const fs::path& state) {
  std::error_code error;
  fs::create_directories(state, error);
  if (error) return errno_error(error.value(), "cli", state.string());
  fs::permissions(state, fs::perms::owner_all, error);
  auto lock = TRY(open_file(state / "lock", O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return make_error(ErrorCode::already_exists, "cli",
                      "up: {}: another bartizan up uses this state; --state FOLDER gives a second "
                      "one its own",
                      state.string());
  return lock;
}

// ---- the TEE

std::string why_not(const HostProbe& host, Tee tee) {
  for (const TeeProbe& probed : host.tees) {
    if (probed.tee == tee)
      return probed.missing + (probed.advice.empty() ? "" : "; ") + probed.advice;
  }
  return "";
}

// Of those that a broker can judge without anything from the owner: the rest wants certificates or
// keys, which have no default.
Result<Tee> choose_tee(const Arguments& arguments, const HostProbe& host) {
  if (!arguments.tee.empty()) {
    const Tee tee = TRY(as_word("--tee", tee_from_string(arguments.tee)));
    if (tee == Tee::snp || tee == Tee::simulated) return tee;
    return invalid("cli",
                   "--tee: \"{}\": `up` can do snp and simulated; for others use the long form: "
                   "bartizan run --help",
                   arguments.tee);
  }
  return strongest_tee(host) == Tee::snp ? Tee::snp : Tee::simulated;
}

Result<void> check_host(const Plan& plan, const HostProbe& host, const Printer& output) {
  if (plan.tee == Tee::simulated)
    output.note("tee: simulated: it protects nothing; snp: " + why_not(host, Tee::snp));
  else
    output.note("tee: snp");
  for (const TeeProbe& probed : host.tees) {
    if (probed.tee != plan.tee || probed.available) continue;
    const std::string line = fmt::format("up: this host cannot launch in the TEE \"{}\": {}",
                                         to_string(plan.tee), why_not(host, plan.tee));
    if (!plan.arguments.dry_run) return make_error(ErrorCode::unsupported, "cli", "{}", line);
    output.note(line);
  }
  return {};
}

// ----

Result<int> show(const Plan& plan, const Printer& output) {
  std::vector<std::pair<const char*, std::string>> steps = {
      {"broker", command_line(broker_words(plan)) + " &"},
      {"build", command_line(build_words(plan))},
      {"register", command_line(register_words(plan))},
      {"run", command_line(run_words(plan))}};
  if (plan.makes_bundle())
    steps.insert(steps.begin(), {"bundle", command_line(bundle_words(plan))});
  view::Json list = view::Json::array();
  std::vector<std::string> lines;
  for (const auto& [step, line] : steps) {
    list.push_back({{"step", step}, {"command", line}});
    lines.push_back(line);
  }
  output.tree({{"tee", to_string(plan.tee)}, {"state", plan.state.string()}, {"steps", list}},
              lines);
  return 0;
}

Result<int> up(const Arguments& arguments, Printer& output) {
  Plan plan{arguments};
  ProbeOptions options;
  options.kvm_device = arguments.kvm_device;
  auto host = TRY(probe(options));
  plan.tee = TRY(choose_tee(arguments, host));
  plan.state = fs::absolute(arguments.state.empty() ? default_state() : arguments.state);
  plan.source_key = TRY(check_arguments(arguments, plan.state));
  TRY(check_host(plan, host, output));
  if (arguments.dry_run) {
    if (uint16_t port = kept_port(plan)) plan.port = port;
    return show(plan, output);
  }
  auto lock = TRY(lock_state(plan.state));
  if (plan.makes_bundle()) TRY(run_command(bundle_words(plan), false, output));
  auto broker = TRY(start_broker(plan, output));
  TRY(build_once(plan, output));
  TRY(run_command(register_words(plan), false, output));
  return run_command(run_words(plan), true, output);
}

}  // namespace

void add_up(CLI::App& app, Invocation& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      add_command(app, session, text::up::kCommand, [arguments, &session](Printer& output) {
        session.error_status = kExitNotLaunched;
        return up(*arguments, output);
      });
  declare(command, text::up::kSource, arguments->source);
  declare(command, text::up::kReference, arguments->reference);
  declare(command, text::up::kPublish, arguments->publish);
  declare(command, text::up::kBundle, arguments->bundle);
  declare(command, text::up::kTee, arguments->tee);
  declare(command, text::up::kVcpus, arguments->vcpus);
  declare(command, text::up::kMemory, arguments->ram_mib);
  declare(command, text::up::kState, arguments->state);
  declare(command, text::up::kKvmDevice, arguments->kvm_device);
  declare(command, text::up::kLogGuest, arguments->log_guest);
  declare(command, text::up::kDryRun, arguments->dry_run);
}

}  // namespace bartizan::cli
