#include "bartizan/secret_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace bartizan {
namespace {

// The flags of the mapping that holds `address`, as the kernel lists them (proc_pid_smaps(5)).
std::string flags_at(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &from, &to) == 2)
      inside = wanted >= from && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line;
  }
  return "";
}

TEST(SecretBytes, AreInNoCoreDump) {
  SecretBytes secret = SecretBytes::from_string("a key");
  EXPECT_NE(flags_at(secret.bytes().data()).find(" dd"), std::string::npos);
  SecretBytes copy = secret.clone();
  EXPECT_NE(flags_at(copy.bytes().data()).find(" dd"), std::string::npos);
  EXPECT_TRUE(copy.equals(secret));
  SecretBytes moved = std::move(copy);
  EXPECT_TRUE(moved.equals(secret));
}

TEST(SecretBytes, WipingEmpties) {
  SecretBytes secret(100'000);
  std::memset(secret.mutable_bytes().data(), 7, secret.size());
  secret.wipe();
  EXPECT_TRUE(secret.empty());
  EXPECT_TRUE(SecretBytes().equals(secret));
}

}  // namespace
}  // namespace bartizan
