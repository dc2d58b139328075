// Broker: state folder, service and server put together.

#include "bartizan/broker.hpp"

#include <algorithm>
#include <ctime>

#include "attest/broker/front.hpp"
#include "attest/broker/identity.hpp"
#include "attest/broker/service.hpp"
#include "attest/https/listener.hpp"
#include "attest/https/server.hpp"
#include "attest/sev/platform_chain.hpp"
#include "base/errors.hpp"

namespace bartizan {
using namespace attest::broker;  // NOLINT: the public functions of this component

struct Broker::Impl {
  BrokerOptions options;
  std::string ca_pem;
  int64_t certificate_expires = 0;
  UniqueFd lock;
  std::unique_ptr<attest::broker::Service> service;
  std::unique_ptr<attest::broker::Front> front;
  std::unique_ptr<attest::https::HttpsServer> server;  // last: its threads use the others
};

namespace {

constexpr uint32_t kMaxRequestRate = 1'000'000;

Result<void> check_rate(std::string_view name, uint32_t value) {
  if (value >= 1 && value <= kMaxRequestRate) return {};
  return invalid("attest/broker", "{}: {} is not 1 to {}", name, value, kMaxRequestRate);
}

Result<attest::https::HttpsServerOptions> server_options(const BrokerOptions& options) {
  TRY(check_rate("requests_per_second", options.requests_per_second));
  TRY(check_rate("request_burst", options.request_burst));
  attest::https::HttpsServerOptions to;
  to.requests_per_second = options.requests_per_second;
  to.request_burst = options.request_burst;
  for (const std::string& proxy : options.trusted_proxies) {
    auto prefix = attest::https::parse_address_prefix(proxy);
    if (!prefix.ok())
      return invalid("attest/broker", "trusted_proxies: {}", prefix.error().message);
    to.trusted_proxies.push_back(*prefix);
  }
  to.log = options.log;
  return to;
}

bool is_any_address(const std::string& address) {
  return address == "0.0.0.0" || address == "::";
}

// The three that every broker has are not missed in a certificate that somebody else made.
WantedIdentity wanted_identity(const BrokerOptions& options) {
  WantedIdentity wanted{options.tls_names, {}, options.clock(), options.log};
  const std::vector<std::string> usual = BrokerOptions().tls_names;
  for (const std::string& name : options.tls_names)
    if (std::ranges::find(usual, name) == usual.end()) wanted.required_names.push_back(name);
  if (is_any_address(options.address)) return wanted;
  wanted.tls_names.push_back(options.address);
  wanted.required_names.push_back(options.address);
  return wanted;
}

}  // namespace

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Broker::Broker(Broker&&) noexcept = default;
Broker::~Broker() = default;

Result<Broker> Broker::start(BrokerOptions options) {
  if (options.state.empty()) {
    return make_error(ErrorCode::invalid_argument, "attest/broker", "state folder is not given");
  }
  if (!options.clock) options.clock = [] { return static_cast<int64_t>(std::time(nullptr)); };
  for (const auto& root : options.sev_roots) TRY(attest::sev::check_root(root));
  attest::https::HttpsServerOptions serving = TRY(server_options(options));
  // First, so that nothing is made for a broker that never serves.
  UniqueFd listener = TRY(attest::https::listen_at(options.address, options.port));
  attest::broker::Identity identity =
      TRY(attest::broker::load_identity(options.state, wanted_identity(options)));
  attest::broker::Store store =
      TRY(attest::broker::Store::open(options.state / attest::broker::kStoreFile));
  auto impl = std::make_unique<Impl>();
  impl->service = TRY(attest::broker::Service::create(
      std::move(store), {options.clock, options.log, identity.admin_token_hash, options.sev_roots,
                         options.collateral}));
  impl->front = std::make_unique<attest::broker::Front>(*impl->service);
  impl->lock = std::move(identity.lock);
  impl->server =
      TRY(attest::https::HttpsServer::start(std::move(listener), identity.tls_certificate,
                                            identity.tls_key, *impl->front, std::move(serving)));
  impl->front->count_with(*impl->server);
  impl->front->show_ends(identity.ca_expires, identity.tls_certificate.not_after());
  impl->ca_pem = identity.ca_pem;
  impl->certificate_expires = identity.tls_certificate.not_after();
  impl->options = std::move(options);
  return Broker(std::move(impl));
}

uint16_t Broker::port() const {
  return impl_->server->port();
}
std::string Broker::ca_pem() const {
  return impl_->ca_pem;
}
std::filesystem::path Broker::admin_token_path() const {
  return attest::broker::admin_token_file(impl_->options.state);
}
int64_t Broker::certificate_expires() const {
  return impl_->certificate_expires;
}
void Broker::stop() {
  impl_->server->stop();
}

std::string Broker::url() const {
  const std::string& address = impl_->options.address;
  bool any = is_any_address(address);
  bool is_v6 = !any && address.find(':') != std::string::npos;
  return fmt::format("https://{}:{}",
                     any     ? "127.0.0.1"
                     : is_v6 ? "[" + address + "]"
                             : address,
                     port());
}

}  // namespace bartizan
