// A broker with workload "one" for wire_test.py. First line out: {"url","ca","token"}. Then for
// each line of hex report data in: one line of evidence of that workload. Ends with its input.
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "attest/evidence/simulated_signer.hpp"
#include "bartizan/broker.hpp"
#include "base/file.hpp"
#include "base/json.hpp"

namespace {

using namespace bartizan;  // NOLINT: a test program

Workload workload_one() {
  Workload one;
  one.id = "one";
  one.workload_digest.assign(32, 1);
  one.measurements = {Bytes(48, 2)};
  one.allow_simulated = true;
  one.resource = "default/disk-key/one";
  one.disk_key = SecretBytes::from_string("the secret");
  return one;
}

void run(const std::filesystem::path& state) {
  BrokerOptions options;
  options.state = state;
  options.port = 0;
  Broker broker = Broker::start(std::move(options)).value();
  Bytes token = read_file(broker.admin_token_path(), 4096).value();
  attest::evidence::SimulatedSigner signer = attest::evidence::SimulatedSigner::create().value();
  register_workload({broker.url(), broker.ca_pem(), SecretBytes(ByteView(token))}, workload_one())
      .value();
  std::cout << Json{{"url", broker.url()}, {"ca", broker.ca_pem()}, {"token", as_text(token)}}
            << std::endl;
  attest::evidence::SimulatedSigner::Fields fields;
  fields.host_data.fill(1);
  fields.measurement.fill(2);
  for (std::string line; std::getline(std::cin, line);) {
    Bytes report_data = from_hex(line).value();
    std::copy_n(report_data.begin(), std::min(report_data.size(), fields.report_data.size()),
                fields.report_data.begin());
    std::cout << evidence_to_json(signer.sign(fields).value()).value() << std::endl;
  }
}

}  // namespace

int main() {
  char name[] = "/tmp/bartizan-wire-XXXXXX";
  if (!::mkdtemp(name)) return 1;
  int status = 0;
  try {
    run(name);
  } catch (const BadResult& failure) {
    std::cerr << failure.what() << "\n";
    status = 1;
  }
  std::filesystem::remove_all(name);
  return status;
}
