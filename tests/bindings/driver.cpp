// The C++ interface of the table: driver OPERATION [NAME=VALUE]... prints the result's JSON, or
// {"error": ...}.
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "base/bytes.hpp"
#include "common/json_view.hpp"

namespace {

using namespace bartizan;  // NOLINT: a test program of one file
using Arguments = std::map<std::string, std::string>;
using view::Json;

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string get(const Arguments& arguments, const char* name) {
  const auto found = arguments.find(name);
  return found == arguments.end() ? "" : found->second;
}

std::optional<SecretBytes> key_of(const Arguments& arguments, const char* name = "key_file") {
  if (get(arguments, name).empty()) return {};
  return SecretBytes::from_string(text_of(get(arguments, name)));
}

uint64_t number_of(const Arguments& arguments, const char* name) {
  const std::string text = get(arguments, name);
  return text.empty() ? 0 : std::stoull(text, nullptr, 0);
}

std::vector<uint8_t> bytes_of(const Arguments& arguments, const char* name) {
  std::ifstream file(get(arguments, name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<uint8_t> unhex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(at, 2), nullptr, 16)));
  return bytes;
}

template <typename T>
Result<Json> shown(Result<T> result) {
  if (!result.ok()) return result.error();
  return view::to_json(*result);
}

Result<LaunchOptions> launch_of(const Arguments& arguments) {
  auto tee = tee_from_string(get(arguments, "tee"));
  if (!tee.ok()) return tee.error();
  LaunchOptions options;
  options.tee = *tee;
  options.bundle = get(arguments, "bundle");
  options.guest_features = number_of(arguments, "guest_features");
  return options;
}

TeeOptions tee_options_of(const Arguments& arguments) {
  TeeOptions options;
  options.policy = number_of(arguments, "policy");
  options.guest_features = number_of(arguments, "guest_features");
  options.id_block = bytes_of(arguments, "id_block");
  options.id_authentication = bytes_of(arguments, "id_auth");
  options.certificates = bytes_of(arguments, "certificates");
  options.owner_certificate = bytes_of(arguments, "owner_certificate");
  options.session = bytes_of(arguments, "session");
  options.platform_certificates = bytes_of(arguments, "platform_certificates");
  if (arguments.contains("quote_service")) options.quote_service = get(arguments, "quote_service");
  return options;
}

Result<Json> do_measure(const Arguments& arguments) {
  auto options = launch_of(arguments);
  if (!options.ok()) return options.error();
  return shown(measure(*options));
}

Result<Json> do_build(const Arguments& arguments) {
  BuildOptions options;
  options.source = get(arguments, "source");
  options.output = get(arguments, "output");
  options.workload_id = "tiny";
  options.base_image = get(arguments, "base_image");
  options.anonymous = !get(arguments, "anonymous").empty();
  if (!get(arguments, "created").empty()) options.created = std::stoll(get(arguments, "created"));
  options.disk_key = key_of(arguments);
  options.tee = get(arguments, "tee");
  if (const std::string file = get(arguments, "tee_config"); !file.empty())
    options.tee_config = text_of(file);
  options.source_passphrase = key_of(arguments, "source_passphrase_file");
  return shown(build_image(options));
}

Result<Json> do_verify(const Arguments& arguments) {
  auto verified = verify_image(get(arguments, "image"), key_of(arguments));
  if (!verified.ok()) return verified.error();
  return Json{{"verified", true}};
}

Result<Evidence> evidence_of(const Arguments& arguments) {
  auto tee = tee_from_string(get(arguments, "kind"));
  if (!tee.ok()) return tee.error();
  return evidence_from_json(text_of(get(arguments, "evidence")), *tee);
}

Result<Json> do_judge(const Arguments& arguments) {
  auto evidence = evidence_of(arguments);
  if (!evidence.ok()) return evidence.error();
  EvidencePolicy policy;
  policy.now = static_cast<int64_t>(number_of(arguments, "now"));
  if (!get(arguments, "policy").empty()) policy.json = text_of(get(arguments, "policy"));
  return shown(judge_evidence(*evidence, policy));
}

Result<Json> do_show_evidence(const Arguments& arguments) {
  auto evidence = evidence_of(arguments);
  if (!evidence.ok()) return evidence.error();
  return shown(show_evidence(*evidence));
}

Result<Json> do_launch(const Arguments& arguments) {
  auto options = launch_of(arguments);
  if (!options.ok()) return options.error();
  MachineOptions machine;
  machine.bundle = options->bundle;
  machine.kvm_device = get(arguments, "kvm_device");
  if (const std::string port = get(arguments, "port"); !port.empty())
    machine.publish = {{"127.0.0.1", static_cast<uint16_t>(std::stoi(port)), 80}};
  if (get(arguments, "network") == "isolated") machine.network = NetworkMode::isolated;
  if (const std::string place = get(arguments, "allow"); !place.empty()) machine.allow = {place};
  machine.publish_auto = get(arguments, "publish_auto");
  machine.broker_url = get(arguments, "broker");
  machine.tee_options = tee_options_of(arguments);
  auto number = [&](const char* name) { return std::stoull("0" + get(arguments, name)); };
  machine.max_vcpus = static_cast<uint32_t>(number("max_vcpus"));
  machine.max_ram_mib = static_cast<uint32_t>(number("max_memory"));
  machine.max_scratch_bytes = number("max_scratch");
  if (const std::string wish = get(arguments, "harden"); !wish.empty()) {
    auto hardening = hardening_from_string(wish);
    if (!hardening.ok()) return hardening.error();
    machine.harden = *hardening;
  }
  if (const std::string pages = get(arguments, "huge_pages"); !pages.empty()) {
    auto kind = huge_pages_from_string(pages);
    if (!kind.ok()) return kind.error();
    machine.huge_pages = *kind;
  }
  auto context = Context::create(std::move(machine));
  if (!context.ok()) return context.error();
  if (auto set = context->set_tee(options->tee); !set.ok()) return set.error();
  auto attached = context->attach_image(get(arguments, "image"), key_of(arguments));
  if (!attached.ok()) return attached.error();
  if (auto started = context->start(); !started.ok()) return started.error();
  return Json{{"started", true}};
}

Result<Json> do_broker(const Arguments& arguments) {
  BrokerOptions options;
  options.state = get(arguments, "state");
  options.port = static_cast<uint16_t>(std::stoi(get(arguments, "port")));
  if (arguments.contains("sev_root")) options.sev_roots = {bytes_of(arguments, "sev_root")};
  if (arguments.contains("request_burst"))
    options.request_burst = static_cast<uint32_t>(std::stoul(get(arguments, "request_burst")));
  if (arguments.contains("trusted_proxy"))
    options.trusted_proxies = {get(arguments, "trusted_proxy")};
  auto broker = Broker::start(std::move(options));
  if (!broker.ok()) return broker.error();
  return Json{{"started", true}};
}

Result<Json> do_register(const Arguments& arguments) {
  auto info = inspect_image(get(arguments, "image"));
  if (!info.ok()) return info.error();
  auto options = launch_of(arguments);
  if (!options.ok()) return options.error();
  std::vector<uint8_t> digest = unhex(get(arguments, "measurement"));
  if (digest.empty()) {
    auto measurement = measure(*options);
    if (!measurement.ok()) return measurement.error();
    digest = measurement->digest;
  }
  Workload workload{info->workload_id, info->workload_digest, {digest}, true};
  workload.resource = info->resource;
  workload.tee = options->tee;
  workload.disk_key = *key_of(arguments);
  BrokerAccess access;
  access.url = get(arguments, "url");
  access.ca_pem = text_of(get(arguments, "ca")) + "\n";
  if (auto token = key_of(arguments, "token_file")) access.admin_token = std::move(*token);
  if (auto key = key_of(arguments, "admin_key")) access.admin_key = std::move(*key);
  auto kind =
      broker_kind_from_string(arguments.contains("kind") ? get(arguments, "kind") : "bartizan");
  if (!kind.ok()) return kind.error();
  access.kind = *kind;
  access.resource_policy = !get(arguments, "resource_policy").empty();
  access.keep_resource_policy = !get(arguments, "keep_resource_policy").empty();
  access.replace = !get(arguments, "replace").empty();
  workload.tee = options->tee;
  if (auto done = register_workload(access, workload); !done.ok()) return done.error();
  return Json{{"workload_id", workload.id}, {"measurement", to_hex(digest)}};
}

Result<Json> run(const std::string& operation, const Arguments& arguments) {
  if (operation == "inspect") return shown(inspect_image(get(arguments, "image")));
  if (operation == "verify") return do_verify(arguments);
  if (operation == "build") return do_build(arguments);
  if (operation == "judge") return do_judge(arguments);
  if (operation == "show_evidence") return do_show_evidence(arguments);
  if (operation == "measure") return do_measure(arguments);
  if (operation == "bundle") return shown(read_bundle(get(arguments, "bundle")));
  if (operation == "probe")
    return shown(
        probe({.kvm_device = get(arguments, "kvm_device"), .bundle = get(arguments, "bundle")}));
  if (operation == "launch") return do_launch(arguments);
  if (operation == "broker") return do_broker(arguments);
  if (operation == "register") return do_register(arguments);
  std::cerr << operation << ": no such operation\n";
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string pair = argv[i];
    arguments[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
  }
  const Result<Json> result = run(argv[1], arguments);
  std::cout << view::to_text(result.ok() ? *result : Json{{"error", view::to_json(result.error())}})
            << '\n';
}
