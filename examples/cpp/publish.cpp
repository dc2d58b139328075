// Makes a confidential image as one file, on a base image, and tells Trustee's KBS who may have its
// key, with the C++ API:
//
//   publish SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT
//
// MEASUREMENT is the launch's, in hexadecimal (bartizan measure --tee snp).
#include <bartizan/broker.hpp>
#include <bartizan/image.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <iterator>

namespace {

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<uint8_t> unhex(std::string_view text) {
  std::vector<uint8_t> bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i)
    std::from_chars(&text[2 * i], &text[2 * i] + 2, bytes[i], 16);
  return bytes;
}

bartizan::Result<bartizan::BuildReport> build(char** arguments) {
  bartizan::BuildOptions options;
  options.source = arguments[1];
  options.base_image = arguments[2];
  options.output = arguments[3];  // an archive, because its name ends in ".tar"
  options.progress = [](const bartizan::Progress& progress) {
    std::cerr << progress.stage << ' ' << progress.done << " of " << progress.total << '\n';
    return true;  // false would cancel, and leave nothing
  };
  return bartizan::build_image(options);
}

bartizan::Result<void> tell_trustee(char** arguments, bartizan::BuildReport& image) {
  bartizan::BrokerAccess access;
  access.kind = bartizan::BrokerKind::trustee;
  access.url = arguments[4];
  access.ca_pem = read_file(arguments[5]);
  access.admin_key = bartizan::SecretBytes::from_string(read_file(arguments[6]));
  access.resource_policy = true;
  bartizan::Workload workload;
  workload.id = image.workload_id;
  workload.workload_digest = image.workload_digest;
  workload.measurements = {unhex(arguments[7])};
  workload.resource = image.resource;
  workload.disk_key = std::move(image.disk_key);
  workload.tee = bartizan::Tee::snp;
  return bartizan::register_workload(access, workload);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::cerr << "usage: publish SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT\n";
    return 2;
  }
  auto image = build(argv);
  if (!image.ok()) {
    std::cerr << image.error().describe() << '\n';
    return 1;
  }
  if (auto told = tell_trustee(argv, *image); !told.ok()) {
    std::cerr << told.error().describe() << '\n';
    return 1;
  }
  std::cout << image->image_digest << '\n';
}
