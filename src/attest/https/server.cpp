#include "attest/https/server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <thread>

#define BOOST_ASIO_NO_DEPRECATED
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/status.hpp>

#include "attest/https/admission.hpp"
#include "attest/https/listener.hpp"
#include "attest/https/request_reader.hpp"
#include "attest/https/tls_session.hpp"
#include "attest/https/worker_pool.hpp"
#include "base/errors.hpp"
#include "base/mutex.hpp"
#include "base/thread.hpp"

namespace bartizan::attest::https {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

constexpr const char* kOrigin = "attest/https";
constexpr Milliseconds kTick{100};          // how exact the deadlines are
constexpr Milliseconds kOutOfFiles{100};    // until the next try to accept
constexpr int64_t kLogIntervalMs = 60'000;  // between lines about refused connections
constexpr size_t kReadBlock = 16 * kKiB;    // a TLS record
constexpr int kBlocksInARow = 4;            // then others get their turn
constexpr int kAcceptsInARow = 64;          // then others get their turn
constexpr size_t kMaxLingering = 8 * kMiB;  // of a peer that sends on after its last answer
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// What a connection is doing. Those of a phase stand in a list in the order in which they entered
// it, so the first is the one whose time ends first, and the one that has waited longest.
enum Phase { kHandshake, kIdle, kReading, kAnswering, kWriting, kLingering, kPhases };

int64_t steady_ms() {
  return std::chrono::duration_cast<Milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int status_of_refusal(const Error& error) {
  switch (error.code) {
    case ErrorCode::resource_exhausted:
      return 413;
    case ErrorCode::unsupported:
      return 417;
    default:
      return 400;
  }
}

std::string head_of_reply(const ServedReply& reply, bool last) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", reply.status,
                                 std::string_view(http::obsolete_reason(
                                     http::int_to_status(static_cast<unsigned>(reply.status)))));
  if (!reply.body.empty() || reply.status == 200)
    head += fmt::format("Content-Type: {}\r\n", reply.content_type);
  head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  for (const auto& [name, value] : reply.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (last) head += "Connection: close\r\n";
  return head + "\r\n";
}

// What a proxy that is trusted says; the last part is the one that it has seen itself.
std::optional<PeerAddress> forwarded_client(std::string_view header) {
  std::string_view last = header.substr(header.rfind(',') + 1);  // npos + 1 is 0
  while (last.starts_with(' ')) last.remove_prefix(1);
  while (last.ends_with(' ')) last.remove_suffix(1);
  return parse_peer_address(last);
}

AdmissionLimits admission_limits(const HttpsServerOptions& options) {
  AdmissionLimits limits;
  limits.connections = options.connections == 0 ? connections_of_file_limit() : options.connections;
  limits.connections_per_address =
      std::clamp<size_t>(limits.connections / 2, 1, options.connections_per_address);
  limits.per_second = options.requests_per_second;
  limits.burst = options.request_burst;
  limits.trusted_proxies = options.trusted_proxies;
  return limits;
}

struct AtomicCounters {
  std::atomic<uint64_t> connections, accepted, refused_address, refused_rate, refused_full,
      made_room, timed_out, failed_handshakes, limited, overloaded;
  std::array<std::atomic<uint64_t>, 6> answers;
};

class ServedConnection;
using ConnectionList = std::list<std::shared_ptr<ServedConnection>>;

}  // namespace

// What belongs to the connections' thread is not guarded by a lock: nothing else touches it while
// that thread runs.
struct HttpsServer::State {
  State(RequestHandler& to, HttpsServerOptions given)
      : handler(to),
        options(std::move(given)),
        admission(admission_limits(options)),
        request_rate(options.requests_per_second, options.request_burst) {}

  void run();
  void accept_when_ready();
  void accept_some();
  void take(UniqueFd socket, const PeerAddress& peer);
  bool make_room(const PeerAddress* of_group);
  void tick_later();
  void tick();
  void log_refusals(int64_t now);
  void begin_stop();
  void end_if_drained(bool late);

  RequestHandler& handler;
  const HttpsServerOptions options;
  std::shared_ptr<SSL_CTX> tls;
  uint16_t port = 0;
  AtomicCounters counters{};

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{io.get_executor()};
  std::optional<asio::posix::stream_descriptor> listener;
  asio::steady_timer accept_timer{io}, tick_timer{io}, stop_timer{io}, drain_timer{io};
  Admission admission;
  RateLimit request_rate;
  std::array<ConnectionList, kPhases> phases;
  bool ticking = false, stopping = false;
  int64_t logged_ms = 0;
  uint64_t logged_refusals = 0;

  std::unique_ptr<WorkerPool> workers;
  Mutex stop_mutex;  // one stop() at a time
  std::thread thread;
};

namespace {

using Server = HttpsServer::State;

// One connection, on the connections' thread. It is kept by the list of its phase, and by whatever
// is under way for it.
class ServedConnection : public std::enable_shared_from_this<ServedConnection> {
 public:
  ServedConnection(Server& server, int socket, const PeerAddress& peer,
                   std::unique_ptr<TlsSession> tls)
      : server_(server),
        descriptor_(server.io, socket),
        tls_(std::move(tls)),
        peer_(peer),
        reader_(std::make_unique<RequestReader>(server.options.max_body)) {}

  const PeerAddress& peer() const { return peer_; }
  int64_t since_ms() const { return since_ms_; }
  Phase phase() const { return phase_; }

  void start() {
    place_ =
        server_.phases[kHandshake].insert(server_.phases[kHandshake].end(), shared_from_this());
    since_ms_ = steady_ms();
    listed_ = true;
    step();
  }

  // What a step throws costs this connection and nothing else.
  void step() {
    auto self = shared_from_this();
    if (!closed_ && !call_guarded("connection", [this] { advance(); }).ok()) close();
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    auto self = shared_from_this();
    if (listed_) server_.phases[phase_].erase(place_);
    give_large_body();
    server_.admission.leave(peer_);
    server_.counters.connections = server_.admission.connections();
    error_code ignored;
    descriptor_.close(ignored);
    tls_.reset();
  }

  // The time of its phase is over.
  void time_out() {
    server_.counters.timed_out += 1;
    close();
  }

 private:
  void enter(Phase phase) {
    ConnectionList& to = server_.phases[phase];
    to.splice(to.end(), server_.phases[phase_], place_);
    phase_ = phase;
    since_ms_ = steady_ms();
  }

  void wait_for(TlsProgress progress) {
    descriptor_.async_wait(progress == TlsProgress::want_write
                               ? asio::posix::stream_descriptor::wait_write
                               : asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const error_code& error) {
                             if (!error) self->step();
                           });
  }
  void go_on_later() {
    asio::post(server_.io, [self = shared_from_this()] { self->step(); });
  }

  void advance() {
    switch (phase_) {
      case kHandshake:
        return shake_hands();
      case kIdle:
      case kReading:
        return read();
      case kWriting:
        return write();
      case kLingering:
        return linger();
      case kAnswering:  // a worker calls back
      case kPhases:
        return;
    }
  }

  void shake_hands() {
    TlsProgress progress = tls_->handshake();
    if (progress == TlsProgress::want_read || progress == TlsProgress::want_write)
      return wait_for(progress);
    if (progress != TlsProgress::done) {
      server_.counters.failed_handshakes += 1;
      return close();
    }
    enter(kIdle);
    read();
  }

  // ---- reading

  void read() {
    for (int i = 0; i < kBlocksInARow; ++i) {
      if (!input_.empty()) {
        if (phase_ == kIdle) enter(kReading);
        if (!parse()) return;
      }
      if (!fill()) return;
    }
    go_on_later();
  }

  // False: there is an answer, or the end.
  bool parse() {
    while (true) {
      Result<RequestReader::Step> step = reader_->parse(input_);
      if (!step.ok()) return refuse(status_of_refusal(step.error()), step.error()), false;
      switch (*step) {
        case RequestReader::Step::needs_more:
          return true;
        case RequestReader::Step::large_body:
          if (!take_large_body()) return overloaded("too many large requests at once"), false;
          break;
        case RequestReader::Step::wants_continue:
          if (!say_continue()) return close(), false;
          break;
        case RequestReader::Step::whole:
          return take_request(), false;
      }
    }
  }

  // A connection on which nothing was sent takes these few bytes at once, or is of no use.
  bool say_continue() {
    size_t sent = 0;
    return tls_->write(as_bytes(kContinue), sent) == TlsProgress::done && sent == kContinue.size();
  }

  // False: it waits, or it ended.
  bool fill() {
    const size_t before = input_.size();
    input_.resize(before + kReadBlock);
    size_t got = 0;
    TlsProgress progress = tls_->read(std::span(input_).subspan(before), got);
    input_.resize(before + got);
    if (progress == TlsProgress::done) return true;
    if (input_.empty()) Bytes().swap(input_);  // an idle connection keeps no buffer
    if (progress == TlsProgress::want_read || progress == TlsProgress::want_write) {
      wait_for(progress);
    } else if (phase_ == kReading && progress == TlsProgress::closed) {
      refuse(400, make_error(ErrorCode::protocol, kOrigin,
                             "HTTP: peer closed in the middle of a message"));
    } else {
      end();
    }
    return false;
  }

  bool take_large_body() {
    has_large_body_ = has_large_body_ || server_.admission.take_large_body(peer_);
    return has_large_body_;
  }
  void give_large_body() {
    if (has_large_body_) server_.admission.give_large_body(peer_);
    has_large_body_ = false;
  }

  // ---- answering

  void take_request() {
    enter(kAnswering);
    request_ = reader_->take();
    without_body_ = request_.method == "HEAD";
    if (without_body_) request_.method = "GET";
    request_.client = peer_;
    if (server_.admission.is_trusted_proxy(peer_)) {
      if (auto client = forwarded_client(request_.header("x-forwarded-for")))
        request_.client = *client;
    }
    if (!server_.request_rate.allow(request_.client.group(), since_ms_)) {
      server_.counters.limited += 1;
      return refuse(429, make_error(ErrorCode::resource_exhausted, kOrigin, "too many requests"));
    }
    if (auto reply = server_.handler.answer_at_once(request_))
      return send(std::move(*reply), !reader_->keeps_alive());
    give_to_worker();
  }

  void give_to_worker() {
    const PeerAddress group = request_.client.group();
    auto work = [self = shared_from_this(), request = std::move(request_)]() mutable {
      self->answer_on_worker(std::move(request));
    };
    // std::function copies what it holds when it is made, and a request must not be copied.
    auto shared = std::make_shared<decltype(work)>(std::move(work));
    request_ = {};
    if (!server_.workers->post(group, [shared] { (*shared)(); }))
      overloaded("too many requests wait");
  }

  // On a worker: nothing of the connection is touched but what does not change.
  void answer_on_worker(ServedRequest request) {
    auto reply = std::make_shared<std::optional<ServedReply>>();
    auto done =
        call_guarded("request", [&] { *reply = server_.handler.answer(std::move(request)); });
    asio::post(server_.io, [self = shared_from_this(), reply, done] {
      self->take_answer(reply->has_value() ? nullptr : &done.error(), *reply);
    });
  }

  void take_answer(const Error* failure, std::optional<ServedReply>& reply) {
    if (closed_) return;
    auto sent = call_guarded("answer", [&] {
      if (failure != nullptr)
        return refuse(500, make_error(ErrorCode::internal, kOrigin, "internal error"));
      send(std::move(*reply), !reader_->keeps_alive());
    });
    if (!sent.ok()) close();
  }

  void overloaded(std::string_view why) {
    server_.counters.overloaded += 1;
    ServedReply reply = server_.handler.refuse(
        503, make_error(ErrorCode::resource_exhausted, kOrigin, "{}: try again later", why));
    reply.status = 503;
    reply.headers.emplace_back("Retry-After", "1");
    send(std::move(reply), true);
  }

  // The last answer: what the peer still sends is not read as a request.
  void refuse(int status, const Error& error) {
    ServedReply reply = server_.handler.refuse(status, error);
    reply.status = status;
    if (status == 429) reply.headers.emplace_back("Retry-After", "1");
    send(std::move(reply), true);
  }

  // ---- writing

  void send(ServedReply reply, bool last) {
    last_ = last || server_.stopping;
    size_t kind = static_cast<size_t>(std::clamp(reply.status / 100, 0, 5));
    server_.counters.answers[kind] += 1;
    std::string head = head_of_reply(reply, last_);
    const size_t body = without_body_ ? 0 : reply.body.size();
    without_body_ = false;
    output_ = SecretBytes(head.size() + body);  // one record for both where they fit
    std::copy(head.begin(), head.end(), output_.mutable_bytes().begin());
    std::copy_n(reply.body.bytes().begin(), body,
                output_.mutable_bytes().begin() + static_cast<ptrdiff_t>(head.size()));
    written_ = 0;
    give_large_body();
    enter(kWriting);
    write();
  }

  void write() {
    while (written_ < output_.size()) {
      size_t sent = 0;
      TlsProgress progress = tls_->write(output_.bytes().subspan(written_), sent);
      if (progress == TlsProgress::want_read || progress == TlsProgress::want_write)
        return wait_for(progress);
      if (progress != TlsProgress::done) return close();
      written_ += sent;
    }
    output_ = {};
    if (last_) return end();
    enter(kIdle);
    go_on_later();  // a peer that sends many requests in one go takes turns with others
  }

  // ---- the end

  // Whoever closes while bytes arrive makes the peer lose the answer (a reset), so the peer is told
  // that nothing follows, and what it sends is thrown away until it has closed too.
  void end() {
    Bytes().swap(input_);
    tls_->shut_down();
    if (::shutdown(descriptor_.native_handle(), SHUT_WR) != 0) return close();
    enter(kLingering);
    linger();
  }

  void linger() {
    std::array<uint8_t, kReadBlock> block;
    for (int i = 0; i < kBlocksInARow; ++i) {
      ssize_t got = ::recv(descriptor_.native_handle(), block.data(), block.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return wait_for(TlsProgress::want_read);
      if (got <= 0) return close();
      lingered_ += static_cast<size_t>(got);
      if (lingered_ > kMaxLingering) return close();
    }
    go_on_later();
  }

  Server& server_;
  asio::posix::stream_descriptor descriptor_;
  std::unique_ptr<TlsSession> tls_;
  const PeerAddress peer_;
  Phase phase_ = kHandshake;
  ConnectionList::iterator place_;
  bool listed_ = false, closed_ = false;
  int64_t since_ms_ = 0;  // in this phase

  Bytes input_;  // read and not parsed
  std::unique_ptr<RequestReader> reader_;
  ServedRequest request_;
  bool has_large_body_ = false, without_body_ = false;

  SecretBytes output_;
  size_t written_ = 0, lingered_ = 0;
  bool last_ = false;
};

Milliseconds limit_of(Phase phase, const HttpsServerOptions& options) {
  switch (phase) {
    case kHandshake:
      return options.handshake;
    case kIdle:
      return options.idle;
    case kReading:
      return options.request;
    case kWriting:
      return options.write;
    case kLingering:
      return options.linger;
    case kAnswering:
    case kPhases:
      break;
  }
  return Milliseconds::max();
}

}  // namespace

void HttpsServer::State::run() {
  // What a handler throws in spite of all ends that handler.
  while (!io.stopped()) (void)call_guarded("connections", [this] { io.run(); });
}

void HttpsServer::State::accept_when_ready() {
  listener->async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
    if (error || stopping) return;
    if (!call_guarded("accept", [this] { accept_some(); }).ok()) {
      accept_timer.expires_after(kOutOfFiles);
      accept_timer.async_wait([this](const error_code& cancelled) {
        if (!cancelled && !stopping) accept_when_ready();
      });
    }
  });
}

void HttpsServer::State::accept_some() {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd socket(::accept4(listener->native_handle(), reinterpret_cast<sockaddr*>(&address),
                              &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.valid()) {
      // Lack of memory for one is no reason to refuse the next.
      (void)call_guarded("accept", [&] { take(std::move(socket), peer_address_of(address)); });
      continue;
    }
    if (errno == EAGAIN) break;
    const bool out_of_files =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (out_of_files && !make_room(nullptr)) throw std::bad_alloc();  // a pause, then again
  }
  accept_when_ready();
}

void HttpsServer::State::take(UniqueFd socket, const PeerAddress& peer) {
  using Verdict = Admission::Verdict;
  const int64_t now = steady_ms();
  Verdict verdict = admission.enter(peer, now);
  const PeerAddress group = peer.group();
  if (verdict == Verdict::address_full && make_room(&group)) verdict = admission.enter(peer, now);
  if (verdict == Verdict::all_taken && make_room(nullptr)) verdict = admission.enter(peer, now);
  if (verdict == Verdict::address_full) counters.refused_address += 1;
  if (verdict == Verdict::too_fast) counters.refused_rate += 1;
  if (verdict == Verdict::all_taken) counters.refused_full += 1;
  if (verdict != Verdict::admitted) return;
  std::shared_ptr<ServedConnection> connection;
  auto started = call_guarded("accept", [&] {
    int one = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    auto session = TlsSession::create(tls.get(), socket.get());
    if (!session.ok()) return;
    connection = std::make_shared<ServedConnection>(*this, socket.get(), peer, std::move(*session));
    socket.release();  // the connection has it
    counters.accepted += 1;
    counters.connections = admission.connections();
    connection->start();
  });
  if (!connection) return admission.leave(peer);
  if (!started.ok()) connection->close();
  tick_later();
}

// Closes the connection that has waited longest for its peer without a request: of a group, or of
// all. False: there is none.
bool HttpsServer::State::make_room(const PeerAddress* of_group) {
  for (Phase phase : {kIdle, kLingering, kHandshake}) {
    if (of_group != nullptr && phase == kHandshake) break;  // may be the peer's own neighbours
    for (const auto& one : phases[phase]) {
      if (of_group != nullptr && one->peer().group() != *of_group) continue;
      counters.made_room += 1;
      one->close();
      return true;
    }
  }
  return false;
}

void HttpsServer::State::tick_later() {
  if (ticking) return;
  ticking = true;
  tick_timer.expires_after(kTick);
  tick_timer.async_wait([this](const error_code&) {
    ticking = false;
    (void)call_guarded("deadlines", [this] { tick(); });
    if (admission.connections() > 0) tick_later();
  });
}

void HttpsServer::State::tick() {
  const int64_t now = steady_ms();
  for (int phase = 0; phase < kPhases; ++phase) {
    const int64_t limit = limit_of(static_cast<Phase>(phase), options).count();
    ConnectionList& list = phases[static_cast<size_t>(phase)];
    while (!list.empty() && now - list.front()->since_ms() >= limit) list.front()->time_out();
  }
  log_refusals(now);
}

void HttpsServer::State::log_refusals(int64_t now) {
  const uint64_t address = counters.refused_address, rate = counters.refused_rate,
                 full = counters.refused_full;
  if (!options.log || address + rate + full == logged_refusals || now - logged_ms < kLogIntervalMs)
    return;
  options.log(LogLevel::warning,
              fmt::format("broker: connections refused since the start: {} of addresses with "
                          "too many open, {} of addresses that open too fast, {} because all "
                          "were taken",
                          address, rate, full));
  logged_ms = now;
  logged_refusals = address + rate + full;
}

void HttpsServer::State::begin_stop() {
  stopping = true;
  error_code ignored;
  listener->close(ignored);
  accept_timer.cancel();
  stop_timer.expires_after(options.stop);
  stop_timer.async_wait([this](const error_code& cancelled) {
    if (!cancelled) end_if_drained(true);
  });
  end_if_drained(false);
}

// Those that wait for an answer, or for it to be written, are waited for.
void HttpsServer::State::end_if_drained(bool late) {
  for (Phase phase : {kHandshake, kIdle, kReading}) {
    while (!phases[phase].empty()) phases[phase].front()->close();
  }
  const bool busy =
      !phases[kAnswering].empty() || !phases[kWriting].empty() || !phases[kLingering].empty();
  if (busy && !late) {
    drain_timer.expires_after(kTick / 10);
    drain_timer.async_wait([this](const error_code&) { end_if_drained(false); });
    return;
  }
  for (ConnectionList& list : phases) {
    while (!list.empty()) list.front()->close();
  }
  io.stop();
}

HttpsServer::HttpsServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpsServer::~HttpsServer() {
  stop();
}

Result<std::unique_ptr<HttpsServer>> HttpsServer::start(UniqueFd listener,
                                                        const crypto::Certificate& certificate,
                                                        const crypto::EcKey& key,
                                                        RequestHandler& handler,
                                                        HttpsServerOptions options) {
  auto state = std::make_unique<State>(handler, std::move(options));
  state->tls = TRY(server_tls_context(certificate, key));
  state->port = port_of(listener.get());
  state->listener.emplace(state->io, listener.get());
  listener.release();
  state->workers = TRY(WorkerPool::start(state->options.workers, state->options.queue));
  state->accept_when_ready();
  State* raw = state.get();
  std::unique_ptr<HttpsServer> server(new HttpsServer(std::move(state)));
  raw->thread = TRY(start_thread("broker connections", [raw] { raw->run(); }));
  return server;
}

uint16_t HttpsServer::port() const {
  return state_->port;
}

ServerCounters HttpsServer::counters() const {
  const AtomicCounters& from = state_->counters;
  ServerCounters counters{from.connections,       state_->workers->queued(),
                          from.accepted,          from.refused_address,
                          from.refused_rate,      from.refused_full,
                          from.made_room,         from.timed_out,
                          from.failed_handshakes, from.limited,
                          from.overloaded,        {}};
  std::copy(from.answers.begin(), from.answers.end(), counters.answers);
  return counters;
}

void HttpsServer::stop() {
  MutexLock lock(state_->stop_mutex);
  if (!state_->thread.joinable()) return;
  asio::post(state_->io, [state = state_.get()] { state->begin_stop(); });
  state_->thread.join();
  state_->workers->stop();
}

}  // namespace bartizan::attest::https
