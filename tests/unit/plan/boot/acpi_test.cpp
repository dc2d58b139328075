#include "plan/boot/acpi.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <regex>

#include "bartizan/tee.hpp"
#include "base/file.hpp"
#include "plan/boot/layout.hpp"

namespace bartizan::plan::boot {
namespace {

uint8_t sum(ByteView bytes) {
  return static_cast<uint8_t>(std::accumulate(bytes.begin(), bytes.end(), 0u));
}

// Follows RSDP -> XSDT -> tables as an operating system does, checking every checksum on the way.
class AcpiWalk {
 public:
  explicit AcpiWalk(uint32_t vcpus, uint64_t mailbox = 0)
      : block_(acpi_tables(kAcpiAddress, vcpus, mailbox)) {
    ByteView rsdp(block_.data(), 36);
    EXPECT_EQ(as_text(rsdp.first(8)), "RSD PTR ");
    EXPECT_EQ(sum(rsdp.first(20)), 0);
    EXPECT_EQ(sum(rsdp), 0);
    auto xsdt = table(load_le<uint64_t>(&rsdp[24]), "XSDT");
    for (size_t at = 36; at < xsdt.size(); at += 8) {
      auto address = load_le<uint64_t>(&xsdt[at]);
      tables_[std::string(as_text(bytes(address, 4)))] = address;
    }
  }
  ByteView table(uint64_t address, std::string_view signature) const {
    auto found = bytes(address, load_le<uint32_t>(bytes(address + 4, 4).data()));
    EXPECT_EQ(as_text(found.first(4)), signature);
    EXPECT_EQ(sum(found), 0) << signature;
    return found;
  }
  ByteView table(const std::string& signature) const {
    return table(tables_.at(signature), signature);
  }
  ByteView dsdt() const { return table(load_le<uint64_t>(&table("FACP")[140]), "DSDT"); }
  size_t size() const { return block_.size(); }

 private:
  ByteView bytes(uint64_t address, size_t size) const {
    EXPECT_GE(address, kAcpiAddress);
    return ByteView(block_).subspan(address - kAcpiAddress, size);
  }
  Bytes block_;
  std::map<std::string, uint64_t> tables_;
};

TEST(Acpi, ChecksumsAndPointersHold) {
  AcpiWalk walk(3);
  auto fadt = walk.table("FACP");
  EXPECT_EQ(fadt.size(), 276u);
  EXPECT_TRUE(load_le<uint32_t>(&fadt[112]) & 1 << 20) << "hardware-reduced";
  EXPECT_EQ(load_le<uint16_t>(&fadt[109]), 0x24) << "no VGA, no CMOS clock, no 8042";
  EXPECT_EQ(load_le<uint32_t>(&fadt[40]), load_le<uint64_t>(&fadt[140]));
  auto madt = walk.table("APIC");
  EXPECT_EQ(load_le<uint32_t>(&madt[36]), kLocalApicAddress);
  EXPECT_EQ(madt.size(), 44u + 3 * 8 + 12);
  EXPECT_EQ(madt[44 + 2 * 8 + 3], 2) << "APIC id of the third vCPU";
}

// In one page: each page of a launch costs a millisecond.
TEST(Acpi, LargestMachineFitsAPage) {
  EXPECT_LE(AcpiWalk(kMaxVcpus, guest_abi::kStubMailboxAddress).size(), 4096u);
}

TEST(Acpi, ProcessorsOfATdAreWokenByMailbox) {
  AcpiWalk walk(3, guest_abi::kStubMailboxAddress);
  auto madt = walk.table("APIC");
  ByteView wakeup = madt.subspan(44 + 3 * 8 + 12);
  ASSERT_EQ(wakeup.size(), 16u);
  EXPECT_EQ(wakeup[0], 0x10);
  EXPECT_EQ(wakeup[1], 16);
  EXPECT_EQ(load_le<uint16_t>(&wakeup[2]), 0) << "version";
  EXPECT_EQ(load_le<uint64_t>(&wakeup[8]), guest_abi::kStubMailboxAddress);
}

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char chunk[4096];
  while (size_t count = std::fread(chunk, 1, sizeof chunk, pipe)) output.append(chunk, count);
  ::pclose(pipe);
  return output;
}

// Judged by ACPICA's own disassembler and compiler, not by our reading of the specification.
TEST(Acpi, IaslReadsTheDsdt) {
  if (std::system("command -v iasl > /dev/null") != 0)
    GTEST_SKIP() << "iasl (acpica-tools) is not installed";
  auto name = (std::filesystem::temp_directory_path() / "bartizan-acpi-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  Unfinished folder{name};
  for (const char* signature : {"FACP", "APIC"}) {
    write_file(folder.path() / (std::string(signature) + ".aml"), AcpiWalk(2).table(signature))
        .value();
    auto output = run("cd " + name + " && iasl -d " + signature + ".aml");
    EXPECT_EQ(output.find("rror"), output.npos) << output;
    EXPECT_EQ(output.find("nvalid"), output.npos) << output;
  }
  write_file(folder.path() / "DSDT.aml", AcpiWalk(2).dsdt()).value();
  auto output = run("cd " + name + " && iasl -d DSDT.aml && iasl -p again DSDT.dsl");
  EXPECT_NE(output.find("0 Errors, 0 Warnings"), output.npos) << output;
  auto source = std::string(as_text(read_file(folder.path() / "DSDT.dsl", 1 << 20).value()));
  for (uint32_t slot = 0; slot < kVirtioSlots; slot++) {
    std::regex device("Device \\(VIO" + std::to_string(slot) + "\\)[^}]*LNRO0005[^}]*_UID[^}]*" +
                      "Memory32Fixed \\(ReadWrite,\\s+0xD000" + std::to_string(slot) +
                      "000,[^}]*0x00001000,[^}]*Interrupt \\(ResourceConsumer, Edge, ActiveHigh, " +
                      "Exclusive, ,, \\)\\s+\\{\\s+0x0000000" + "56789ABC"[slot] + ",");
    EXPECT_TRUE(std::regex_search(source, device)) << slot << "\n" << source;
  }
}

}  // namespace
}  // namespace bartizan::plan::boot
