// Writes one launch as the planner lays it out, for test_planned.py to run:
//   boot_stub_plan FOLDER PLATFORM ADDRESS_BIT VCPUS RAM_MIB
// FOLDER gets `index` (a line each: item|staged KIND ADDRESS SIZE NAME), a file for each with
// bytes, and the kernel and initrd that the launch is of.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "guest/stub/image.hpp"
#include "plan/boot/boot_image.hpp"
#include "plan/measure/launch_secret_page.hpp"
#include "unit/plan/boot/fake_kernel.hpp"

namespace {

using namespace bartizan;  // NOLINT

const char* name_of(plan::tee::PageKind kind) {
  switch (kind) {
    case plan::tee::PageKind::normal:
      return "bytes";
    case plan::tee::PageKind::zero:
      return "zero";
    case plan::tee::PageKind::secrets:
      return "secrets";
    case plan::tee::PageKind::cpuid:
      return "cpuid";
    case plan::tee::PageKind::vmsa:
    case plan::tee::PageKind::unmeasured:
      break;
  }
  return "unexpected";
}

void write(const std::string& path, ByteView bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  std::string folder = argv[1];
  auto kernel = std::make_shared<const Bytes>(plan::boot::fake_kernel("6.1.0-test", 100'000));
  Bytes noise(50'001);
  for (size_t i = 0; i < noise.size(); i++) noise[i] = static_cast<uint8_t>(i * 31 + i / 256);
  auto initrd = std::make_shared<const Bytes>(std::move(noise));
  auto platform = static_cast<guest_abi::StubPlatform>(std::atoi(argv[2]));
  bool secret =
      platform == guest_abi::StubPlatform::sev || platform == guest_abi::StubPlatform::sev_es;
  auto image = plan::boot::make_boot_image(
      {kernel, initrd, "quiet panic=-1", static_cast<uint32_t>(std::atoi(argv[4])),
       std::strtoull(argv[5], nullptr, 10) << 20, platform,
       static_cast<uint8_t>(std::atoi(argv[3])), guest::stub::boot_stub(),
       secret ? plan::measure::launch_secret_page() : Bytes()});
  if (!image.ok()) {
    fmt::print(stderr, "{}\n", image.error().describe());
    return 1;
  }
  std::ofstream index(folder + "/index");
  for (const auto& item : image->items) {
    index << fmt::format("item {} {} {} {}\n", name_of(item.kind), item.address.value, item.size,
                         item.what);
    if (item.bytes) write(folder + "/" + item.what, *item.bytes);
  }
  for (const auto& blob : image->staged) {
    index << fmt::format("staged bytes {} {} {}\n", blob.address.value, blob.bytes->size(),
                         blob.what);
    write(folder + "/staged_" + blob.what, *blob.bytes);
  }
  write(folder + "/bzImage", *kernel);
  write(folder + "/initrd", *initrd);
  return 0;
}
