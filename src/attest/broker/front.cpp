#include "attest/broker/front.hpp"

#include <algorithm>
#include <array>

#include "attest/client/kbs_protocol.hpp"
#include "attest/sev/launch.hpp"
#include "base/errors.hpp"

namespace bartizan::attest::broker {
namespace {

constexpr const char* kOrigin = "attest/broker";
constexpr std::string_view kKbsPaths = "/kbs/v0/";
constexpr std::string_view kAttestPath = "/kbs/v0/attest";
// Reasons are words of ours, so they are few; this is for the day when one is not.
constexpr size_t kMaxReasons = 128;

// Paths outside the KBS protocol whose methods are fixed. Others are the Service's to answer.
struct FixedPath {
  std::string_view path, methods;
};
constexpr std::array<FixedPath, 6> kFixedPaths = {{{"/healthz", "GET, HEAD"},
                                                   {"/readyz", "GET, HEAD"},
                                                   {"/metrics", "GET, HEAD"},
                                                   {"/bartizan/v1/workloads", "GET, HEAD, POST"},
                                                   {"/bartizan/v1/tokens", "GET, HEAD, POST"},
                                                   {sev::kLaunchesPath, "POST"}}};

https::ServedReply json_reply(int status, const std::string& body) {
  return {status, "application/json", {}, SecretBytes::from_string(body)};
}

https::ServedReply error_reply(int status, const Error& error) {
  return json_reply(status, client::error_to_json(error));
}

bool has_method(std::string_view methods, std::string_view method) {
  while (!methods.empty()) {
    size_t end = std::min(methods.find(", "), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 2, methods.size()));
  }
  return false;
}

std::string counter(std::string_view name, std::string_view labels, uint64_t value) {
  return fmt::format("bartizan_{}{} {}\n", name, labels, value);
}

std::string header_of(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP bartizan_{} {}\n# TYPE bartizan_{} {}\n", name, help, name, type);
}

std::string server_metrics(const https::ServerCounters& from) {
  std::string text = header_of("connections", "gauge", "Connections that are open.") +
                     counter("connections", "", from.connections) +
                     header_of("queue_length", "gauge", "Requests that wait for a worker.") +
                     counter("queue_length", "", from.queued) +
                     header_of("connections_accepted_total", "counter", "Connections accepted.") +
                     counter("connections_accepted_total", "", from.accepted);
  text += header_of("connections_refused_total", "counter",
                    "Connections refused before TLS, by the limit that they met.");
  text += counter("connections_refused_total", "{limit=\"address\"}", from.refused_address);
  text += counter("connections_refused_total", "{limit=\"rate\"}", from.refused_rate);
  text += counter("connections_refused_total", "{limit=\"all\"}", from.refused_full);
  text += header_of("connections_ended_total", "counter", "Connections that the broker ended.");
  text += counter("connections_ended_total", "{why=\"made_room\"}", from.made_room);
  text += counter("connections_ended_total", "{why=\"deadline\"}", from.timed_out);
  text += counter("connections_ended_total", "{why=\"handshake\"}", from.failed_handshakes);
  text += header_of("requests_total", "counter", "Answers, by class of their status.");
  for (size_t i = 2; i < std::size(from.answers); ++i)
    text += counter("requests_total", fmt::format("{{status=\"{}xx\"}}", i), from.answers[i]);
  text += header_of("requests_refused_total", "counter", "Requests that met a limit.");
  text += counter("requests_refused_total", "{limit=\"rate\"}", from.limited);
  text += counter("requests_refused_total", "{limit=\"queue\"}", from.overloaded);
  return text;
}

// A label's value may hold anything but these; reasons are words, so nothing else comes either.
std::string label(std::string_view text) {
  std::string value;
  for (char c : text.substr(0, 64)) {
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                c == '_' || c == '-';
    value += word ? c : '_';
  }
  return value;
}

}  // namespace

int status_for_path(std::string_view path, int status) {
  if (!path.starts_with(kKbsPaths)) return status;
  return status == 400 || status == 403 || status == 409 ? 401 : status;
}

std::optional<https::ServedReply> Front::answer_at_once(const https::ServedRequest& request) {
  for (const FixedPath& fixed : kFixedPaths) {
    if (request.path != fixed.path || has_method(fixed.methods, request.method)) continue;
    https::ServedReply reply =
        error_reply(405, invalid(kOrigin, "{} of {}: the methods are {}",
                                 client::one_line(request.method), fixed.path, fixed.methods));
    reply.headers.emplace_back("Allow", std::string(fixed.methods));
    return reply;
  }
  if (request.path == "/healthz") return json_reply(200, R"({"status":"ok"})");
  return std::nullopt;
}

https::ServedReply Front::answer(https::ServedRequest request) {
  if (request.path == "/readyz") return ready();
  if (request.path == "/metrics") return metrics();
  const std::string path = request.path;
  const bool attests = path == kAttestPath || path.starts_with(sev::kLaunchesPath);
  BrokerReply reply = service_.answer({std::move(request.method), std::move(request.path),
                                       std::string(request.header("cookie")),
                                       std::string(request.header("authorization")),
                                       request.client.text(), std::move(request.body)});
  if (attests) count(reply.status == 200 ? "allowed" : "refused", reply.reason);
  https::ServedReply served{status_for_path(path, reply.status),
                            std::move(reply.content_type),
                            {},
                            std::move(reply.body)};
  if (!reply.set_cookie.empty()) served.headers.emplace_back("Set-Cookie", reply.set_cookie);
  return served;
}

https::ServedReply Front::refuse(int status, const Error& error) {
  return error_reply(status, error);
}

https::ServedReply Front::ready() {
  auto checked = service_.check_ready();
  if (checked.ok()) return json_reply(200, R"({"status":"ready"})");
  return error_reply(503, make_error(ErrorCode::io, kOrigin, "the store cannot be read"));
}

void Front::count(std::string_view decision, const std::string& reason) {
  MutexLock lock(mutex_);
  std::pair key(std::string(decision), label(reason));
  if (decisions_.size() >= kMaxReasons && decisions_.count(key) == 0) key.second = "other";
  decisions_[key] += 1;
}

https::ServedReply Front::metrics() {
  std::string text;
  if (const https::HttpsServer* server = server_) text = server_metrics(server->counters());
  if (server_ends_ != 0) {
    text += header_of("certificate_end_seconds", "gauge", "When a certificate ends, since 1970.");
    const auto end = [&](std::string_view name, int64_t at) {
      text += counter("certificate_end_seconds", fmt::format("{{certificate=\"{}\"}}", name),
                      static_cast<uint64_t>(at));
    };
    end("authority", authority_ends_);
    end("server", server_ends_);
  }
  text += header_of("attestations_total", "counter",
                    "Decisions about evidence and SEV launches, by reason.");
  MutexLock lock(mutex_);
  for (const auto& [key, number] : decisions_) {
    text +=
        counter("attestations_total",
                fmt::format("{{decision=\"{}\",reason=\"{}\"}}", key.first, key.second), number);
  }
  return {200, "text/plain; version=0.0.4", {}, SecretBytes::from_string(text)};
}

}  // namespace bartizan::attest::broker
