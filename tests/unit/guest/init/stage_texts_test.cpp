// The texts that the host, the kernel and init exchange: log lines, exit report, table lines,
// events, word lists.
#include <gtest/gtest.h>

#include "base/errors.hpp"
#include "guest/init/host/host_reporter.hpp"
#include "guest/init/storage/disks.hpp"
#include "guest/init/storage/dm_table.hpp"
#include "guest/init/storage/scratch.hpp"
#include "guest/init/storage/storage.hpp"
#include "guest/init/system/command_line.hpp"
#include "guest/init/system/modules.hpp"
#include "guest/init/system/processor.hpp"
#include "guest/init/workload/hardening.hpp"

namespace bartizan::guest::init {
namespace {

using guest_abi::BootStage;

TEST(CommandLine, WholeWordsOnly) {
  auto from_caller = [](std::string_view text) {
    std::string line = fmt::format("quiet {} panic=-1 bartizan.tee=snp\n", text);
    return system::parse_command_line(line).value().key_from_caller;
  };
  EXPECT_TRUE(from_caller("bartizan.key=caller"));
  for (const char* text : {"", "quiet", "bartizan.key=callers", "xbartizan.key=caller",
                           "bartizan.key = caller", "bartizan.key=calle", "BARTIZAN.KEY=caller"}) {
    EXPECT_FALSE(from_caller(text)) << text;
  }
}

TEST(CommandLine, NamesTheTeeOnce) {
  EXPECT_EQ(system::parse_command_line("a bartizan.tee=sev-es b").value().tee, Tee::sev_es);
  EXPECT_EQ(system::parse_command_line("bartizan.tee=none").value().tee, Tee::none);
  for (const char* text :
       {"", "quiet", "bartizan.tee=", "bartizan.tee=SNP", "bartizan.tee=snp,none",
        "xbartizan.tee=snp", "bartizan.tee=snp bartizan.tee=simulated",
        "bartizan.tee=snp bartizan.tee=snp", "bartizan.tee=snp\tbartizan.tee=x"}) {
    auto refused = system::parse_command_line(text);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().reason, "tee") << text;
  }
}

TEST(Lockdown, OnlyConfidentialityCounts) {
  EXPECT_TRUE(workload::is_locked_down("none integrity [confidentiality]\n"));
  for (const char* text : {"", "[none] integrity confidentiality\n",
                           "none [integrity] confidentiality\n", "confidentiality"}) {
    EXPECT_FALSE(workload::is_locked_down(text)) << text;
  }
}

TEST(Processor, FlagsThatSecretsLeanOnAreThereOnEachProcessor) {
  const std::string all = "processor\t: 0\nflags\t\t: fpu aes avx rdrand\nbugs\t\t: sysret\n\n";
  EXPECT_TRUE(system::check_processor(Tee::snp, all + all).ok());
  EXPECT_TRUE(system::check_processor(Tee::none, "").ok()) << "nothing is secret there";
  const std::pair<std::string, const char*> cleared[] = {
      {"processor\t: 0\nflags\t\t: fpu avx rdrand\n", "aes"},
      {"processor\t: 0\nflags\t\t: fpu aes avx\n", "rdrand"},
      {"processor\t: 0\nflags\t\t: fpu vaes rdrand\n", "aes"},  // other words that hold it
      {"flags\t\t: aes rdrandom\n", "rdrand"},
      {all + "processor\t: 1\nflags\t\t: fpu aes\n", "rdrand"},
      {"flags\t\t:", "aes"},
      {"model name\t: aes rdrand\n", "aes"},
      {"", "aes"}};
  for (Tee tee : {Tee::simulated, Tee::sev, Tee::sev_es, Tee::snp, Tee::tdx}) {
    for (const auto& [text, flag] : cleared) {
      auto refused = system::check_processor(tee, text);
      ASSERT_FALSE(refused.ok()) << text;
      EXPECT_EQ(refused.error().reason, "cpuid");
      EXPECT_EQ(refused.error().expected, flag) << text;
      EXPECT_NE(refused.error().message.find(flag), std::string::npos);
    }
  }
}

TEST(Report, StageLineIsTheDocumentedOne) {
  EXPECT_EQ(host::stage_line(0.1234, BootStage::manifest, "all well"),
            "bartizan: [ 0.123] 3/10 manifest: all well\n");
  EXPECT_EQ(host::stage_line(123.4, BootStage::workload, "x"),
            "bartizan: [123.400] 10/10 workload: x\n");
}

TEST(Report, FailureLineIsOneLineWhateverThePeerSays) {
  Error error =
      make_error(ErrorCode::protocol, "guest/broker", "said: a\nbartizan: [ 9.9] 10/10 \x1b[2J");
  EXPECT_EQ(host::failure_line(0.5, BootStage::broker, error),
            "bartizan: [ 0.500] FAILED 6/10 broker: guest/broker: said: a\\x0abartizan: [ 9.9] "
            "10/10 \\x1b[2J\n");
  error.message = std::string(1 << 20, 'x');
  EXPECT_LT(host::failure_line(0.5, BootStage::broker, error).size(), 4096u);
}

TEST(Report, ExitWord) {
  EXPECT_EQ(host::exit_report_word(ExitKind::exit_code, 7), 0x00000007u);
  EXPECT_EQ(host::exit_report_word(ExitKind::signal, 9), 0x01000009u);
  EXPECT_EQ(host::exit_report_word(ExitKind::guest_failure, 6), 0x02000006u);
  EXPECT_EQ(host::exit_report_word(ExitKind::exit_code, 0xffffffff), 0x00ffffffu);
}

TEST(ModuleOrder, FilesOfOneFolder) {
  auto paths = system::parse_module_order("a.ko\n\n/modules/b.ko\nmodules/c.ko", "/modules");
  ASSERT_TRUE(paths.ok());
  EXPECT_EQ(*paths, (std::vector<std::string>{"/modules/a.ko", "/modules/b.ko", "/modules/c.ko"}));
  for (const char* text : {"../init", "x/y.ko", "..", "modules/../x", "//a.ko"}) {
    EXPECT_FALSE(system::parse_module_order(text, "/modules").ok()) << text;
  }
}

// Documentation/admin-guide/device-mapper/{dm-crypt,dm-integrity}.
TEST(DmTables, Scratch) {
  storage::DmTable crypt = storage::scratch_crypt_table(32 << 20, "254:48", "bartizan:scratch");
  EXPECT_EQ(crypt.sectors, 65536u);
  EXPECT_EQ(crypt.parameters,
            "aes-xts-plain64 :64:logon:bartizan:scratch 0 254:48 0 1 sector_size:4096");
  EXPECT_TRUE(crypt.writable);
  storage::DmTable integrity = storage::scratch_integrity_table(8, "253:2", "00ff");
  EXPECT_EQ(integrity.target, "integrity");
  EXPECT_EQ(integrity.parameters,
            "253:2 0 - D 3 block_size:4096 journal_sectors:1 internal_hash:hmac(sha256):00ff");
  EXPECT_TRUE(integrity.secret);
}

TEST(DmTables, SizeThatIntegrityProvides) {
  EXPECT_EQ(storage::provided_sectors("0 64128 -").value(), 64128u);
  for (const char* status : {"", "0", "0 ", "0 x", "0 7 -", "12345678"})
    EXPECT_FALSE(storage::provided_sectors(status).ok()) << status;
}

TEST(ManifestDisk, PaddingGoes) {
  auto bytes = storage::strip_padding({'{', '}', 0, 0, 0});
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(as_text(*bytes), "{}");
  EXPECT_EQ(storage::strip_padding(Bytes(512)).error().code, ErrorCode::corrupt);
}

guest_abi::Manifest small_manifest() {
  guest_abi::Manifest manifest;
  manifest.verity.root_hash = Bytes(32, 0xab);
  manifest.verity.salt = Bytes(2, 0xcd);
  manifest.verity.data_blocks = 100;
  manifest.verity.hash_offset = 101 * 4096;
  manifest.luks2.offset = 1024 * 1024;
  manifest.luks2.size = 40960;
  return manifest;
}

TEST(DmTable, Verity) {
  guest_abi::Manifest manifest = small_manifest();
  storage::DmTable table = storage::verity_table(manifest.verity, "254:0");
  EXPECT_EQ(table.target, "verity");
  EXPECT_EQ(table.sectors, 800u);
  EXPECT_EQ(table.parameters,
            "1 254:0 254:0 4096 4096 100 101 sha256 abababababababababababababababab"
            "abababababababababababababababab cdcd");
  manifest.verity.salt.clear();
  EXPECT_TRUE(storage::verity_table(manifest.verity, "254:0").parameters.ends_with(" -"));
}

TEST(DmTable, Crypt) {
  guest_abi::Manifest manifest = small_manifest();
  storage::DmTable table = storage::crypt_table(manifest.luks2, "253:0", "bartizan:volume");
  EXPECT_EQ(table.target, "crypt");
  EXPECT_EQ(table.sectors, 80u);
  EXPECT_EQ(table.parameters,
            "aes-xts-plain64 :64:logon:bartizan:volume 0 253:0 2048 1 sector_size:4096");
  manifest.luks2.sector_size = 512;
  EXPECT_EQ(storage::crypt_table(manifest.luks2, "253:0", "k").parameters,
            "aes-xts-plain64 :64:logon:k 0 253:0 2048");
}

TEST(VerityEvent, NamesTheBlock) {
  using namespace std::string_view_literals;
  EXPECT_EQ(storage::corrupt_block_of_event(
                "change@/block/dm-0\0ACTION=change\0DM_VERITY_ERR_BLOCK_NR=0,12\0SEQNUM=5\0"sv),
            "data block 12");
  EXPECT_EQ(storage::corrupt_block_of_event("DM_VERITY_ERR_BLOCK_NR=1,3"sv), "tree block 3");
  EXPECT_EQ(storage::corrupt_block_of_event("DM_VERITY_ERR_BLOCK_NR=junk"sv), "unnamed block");
  EXPECT_EQ(storage::corrupt_block_of_event("change@/block/dm-0\0ACTION=change\0"sv), std::nullopt);
  EXPECT_EQ(storage::corrupt_block_of_event(""sv), std::nullopt);
}

}  // namespace
}  // namespace bartizan::guest::init
