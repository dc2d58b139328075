#include "runtime/launcher.hpp"

#include <gtest/gtest.h>

namespace bartizan::runtime {
namespace {

// Of glibc 2.36's ld.so --list.
constexpr const char* kList =
    "\tlinux-vdso.so.1 (0x00007ffd4c3f9000)\n"
    "\tlibslirp.so.0 => /lib/x86_64-linux-gnu/libslirp.so.0 (0x00007f0c6d7c7000)\n"
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0c6d5e6000)\n"
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0c6d803000)\n";

TEST(LibraryList, HasNamesAndPlaces) {
  auto files = parse_library_list(kList).value();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].source, "/lib/x86_64-linux-gnu/libslirp.so.0");
  EXPECT_EQ(files[0].name, "/run/.bartizan/lib/libslirp.so.0");
  EXPECT_EQ(files[1].name, "/run/.bartizan/lib/libc.so.6");
}

TEST(LibraryList, MissingLibraryIsNamed) {
  auto files = parse_library_list("\tlibslirp.so.0 => not found\n");
  ASSERT_FALSE(files.ok());
  EXPECT_EQ(files.error().message, "library libslirp.so.0: not found");
}

TEST(LibraryList, NamesStayBelowTheirFolder) {
  EXPECT_FALSE(parse_library_list("\t../../bartizan => /evil (0x0)\n").ok());
  std::string many;
  for (size_t i = 0; i <= kMaxLibraries; ++i) many += "\tlib.so => /lib.so (0x0)\n";
  EXPECT_FALSE(parse_library_list(many).ok());
}

TEST(HostTee, AsTheProbeSays) {
  EXPECT_TRUE(check_probe_answer(R"({"tee":"tdx","available":true})", Tee::tdx).ok());
  const Error error = check_probe_answer(R"({"available":false,"missing":"KVM has no TDX",
                                             "advice":"load kvm_intel with tdx=1"})",
                                         Tee::tdx)
                          .error();
  EXPECT_EQ(error.code, ErrorCode::unsupported);
  EXPECT_EQ(error.message, "this host cannot run tdx: KVM has no TDX: load kvm_intel with tdx=1");
  EXPECT_EQ(
      check_probe_answer(R"({"error":{"message":"no such option"}})", Tee::snp).error().message,
      "this host cannot run snp: no such option");
  EXPECT_EQ(check_probe_answer("", Tee::snp).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace bartizan::runtime
