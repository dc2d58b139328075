// broker_bench URL STATE PID IDLE: load on a broker that is of this bench alone (bench/broker.sh).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include "attest/client/kbs_protocol.hpp"
#include "attest/evidence/simulated_signer.hpp"
#include "attest/raw_client.hpp"
#include "bartizan/broker.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "crypto/ec.hpp"
#include "crypto/jwe.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page
using test::RawClient;
using Clock = std::chrono::steady_clock;

constexpr const char* kAuth = R"({"version":"0.4.0","tee":"bartizan-simulated","extra-params":""})";

// 127.1.0.1 and so on: the limits of an address are not what is measured.
std::string address(int client) {
  return "127." + std::to_string(1 + client / 62'500) + "." + std::to_string(client / 250 % 250) +
         "." + std::to_string(1 + client % 250);
}

struct Figures {
  std::vector<double> milliseconds;
  double seconds = 0;
  size_t errors = 0;
};

// `work(client, address)`: whether it went well; `count` in all, by `clients` at once.
Figures measure(int clients, int count,
                const std::function<std::function<bool()>(const std::string&)>& client) {
  Figures figures;
  std::mutex mutex;
  std::atomic<int> left = count;
  std::vector<std::thread> threads;
  auto start = Clock::now();
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      auto work = client(address(i));
      while (left-- > 0) {
        auto begun = Clock::now();
        bool good = work();
        std::chrono::duration<double, std::milli> took = Clock::now() - begun;
        std::lock_guard lock(mutex);
        figures.milliseconds.push_back(took.count());
        figures.errors += !good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  figures.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(figures.milliseconds.begin(), figures.milliseconds.end());
  return figures;
}

double p99(const Figures& figures) {
  return figures.milliseconds[figures.milliseconds.size() * 99 / 100];
}

void print(const std::string& name, const Figures& figures) {
  std::printf("%s_rate %.0f 1/s\n", name.c_str(),
              static_cast<double>(figures.milliseconds.size()) / figures.seconds);
  std::printf("%s_p99 %.1f ms\n", name.c_str(), p99(figures));
  std::printf("%s_errors %zu requests\n", name.c_str(), figures.errors);
  std::fflush(stdout);
}

double resident_mib(const std::string& pid) {
  std::ifstream status("/proc/" + pid + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

Workload bench_workload() {
  Workload one;
  one.id = "bench";
  one.workload_digest.assign(32, 1);
  one.measurements = {Bytes(48, 2)};
  one.allow_simulated = true;
  one.resource = "default/disk-key/bench";
  one.disk_key = SecretBytes::from_string("the secret of the bench");
  return one;
}

class Exchange {
 public:
  explicit Exchange(uint16_t port)
      : port_(port),
        signer_(attest::evidence::SimulatedSigner::create().value()),
        key_(crypto::EcKey::generate(crypto::Curve::p256).value()),
        jwk_(crypto::ec_public_jwk(key_)) {}

  // A connection, and the three requests of a guest.
  bool run(const std::string& from) const {
    RawClient client(port_, from);
    if (!client.open()) return false;
    RawClient::Answer challenge = client.post("/kbs/v0/auth", kAuth);
    if (challenge.status != 200) return false;
    size_t at = challenge.head.find("kbs-session-id=");
    std::string cookie =
        "Cookie: " + challenge.head.substr(at, challenge.head.find(';', at) - at) + "\r\n";
    std::string nonce = parse_json(challenge.body, "challenge").value()["nonce"];
    if (client.post("/kbs/v0/attest", attest_body(nonce), cookie).status != 200) return false;
    return client.get("/kbs/v0/resource/default/disk-key/bench", cookie).status == 200;
  }

 private:
  std::string attest_body(const std::string& nonce) const {
    attest::evidence::SimulatedSigner::Fields fields;
    fields.host_data.fill(1);
    fields.measurement.fill(2);
    fields.report_data = attest::client::report_data(nonce, jwk_, "").value();
    Json primary =
        parse_json(evidence_to_json(signer_.sign(fields).value()).value(), "evidence").value();
    return Json{{"init-data", nullptr},
                {"runtime-data", {{"nonce", nonce}, {"tee-pubkey", jwk_}}},
                {"tee-evidence", {{"primary_evidence", primary}, {"additional_evidence", ""}}}}
        .dump();
  }

  uint16_t port_;
  attest::evidence::SimulatedSigner signer_;
  crypto::EcKey key_;
  Json jwk_;
};

// /healthz while ten connections a second come anew, beside `count` that idle.
void measure_idle(uint16_t port, const std::string& pid, int count) {
  std::vector<RawClient> idle;
  double before = resident_mib(pid);
  for (int i = 0; i < count; ++i) {
    RawClient one(port, address(i / 200));
    if (!one.open()) break;
    idle.push_back(std::move(one));
  }
  std::printf("idle_connections %zu connections\n", idle.size());
  std::printf("idle_connection_memory %.1f KiB\n",
              (resident_mib(pid) - before) * 1024 / static_cast<double>(idle.size()));
  std::atomic<bool> ended = false;
  std::thread comers([&] {
    for (int i = 0; !ended; ++i) {
      RawClient comer(port, address(1000 + i));
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  auto kept = std::make_shared<RawClient>(port, address(2000));
  Figures figures = measure(1, 2000, [&](const std::string&) {
    return [kept] { return kept->get("/healthz").status == 200; };
  });
  ended = true;
  comers.join();
  print("healthz_beside_idle", figures);
  size_t open = 0;
  for (RawClient& one : idle) open += one.get("/healthz").status == 200;
  std::printf("idle_connections_lost %zu connections\n", idle.size() - open);
}

void run(const std::string& url, const std::filesystem::path& state, const std::string& pid,
         int idle) {
  auto port = static_cast<uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  Bytes ca = read_file(state / "ca.pem", 65'536).value();
  Bytes token = read_file(state / "admin.token", 4096).value();
  register_workload({url, std::string(as_text(ca)), SecretBytes(ByteView(token))}, bench_workload())
      .value();
  Exchange exchange(port);
  const double before = resident_mib(pid);
  for (int clients : {1, 16, 256}) {
    const std::string suffix = "_" + std::to_string(clients);
    print("auth" + suffix, measure(clients, 4000, [&](const std::string& from) {
            auto kept = std::make_shared<RawClient>(port, from);
            return
                [kept] { return kept->open() && kept->post("/kbs/v0/auth", kAuth).status == 200; };
          }));
    print("handshakes" + suffix,
          measure(clients, clients == 1 ? 200 : 600, [&](const std::string& from) {
            return [&exchange, from] { return exchange.run(from); };
          }));
  }
  std::printf("memory_before %.1f MiB\n", before);
  std::printf("memory_growth %.1f MiB\n", resident_mib(pid) - before);
  if (idle > 0) measure_idle(port, pid, idle);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  try {
    run(arguments[1], arguments[2], arguments[3], std::stoi(arguments[4]));
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    return 1;
  }
  return 0;
}
