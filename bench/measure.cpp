// How fast page lists are measured: 10,000 pages of random content, as SNP measures them (the
// slowest: two hashes a page) and as TDX does. One line a figure.
#include <chrono>
#include <cstdio>
#include <random>

#include "plan/tee/snp/digest.hpp"
#include "plan/tee/tdx/digest.hpp"

namespace {

using namespace bartizan;  // NOLINT: a program of a page

constexpr uint64_t kPages = 10000;

plan::tee::LaunchPlan random_plan(Tee tee) {
  Bytes bytes(kPages * 4096);
  std::mt19937_64 draw(1);
  for (size_t i = 0; i < bytes.size(); i += 8) store_le<uint64_t>(&bytes[i], draw());
  plan::tee::LaunchPlan plan;
  plan.tee = tee;
  plan.items.push_back({{0x100000},
                        plan::tee::PageKind::normal,
                        "pages",
                        bytes.size(),
                        std::make_shared<const Bytes>(std::move(bytes))});
  return plan;
}

template <typename Measure>
void report(const char* name, const plan::tee::LaunchPlan& plan, Measure measure) {
  auto start = std::chrono::steady_clock::now();
  auto digest = measure(plan);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%s %.0f pages/s\n", name, static_cast<double>(kPages) / seconds.count());
  std::fprintf(stderr, "%s: %.3f s for %lu pages, digest %.8s…\n", name, seconds.count(), kPages,
               to_hex(digest).c_str());
}

}  // namespace

int main() {
  auto plan = random_plan(Tee::snp);
  report("pages_per_second", plan,
         [](const auto& plan) { return plan::tee::snp::launch_digest(plan); });
  report("pages_per_second_tdx", plan,
         [](const auto& plan) { return plan::tee::tdx::launch_digest(plan); });
  return 0;
}
