// A confidential image, judged by tools that are not ours.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <map>

#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

std::string script(const std::string& name, const fs::path& argument) {
  return fmt::format("bash '{}/tests/image/{}' '{}'", BARTIZAN_SOURCE_DIR, name, argument.string());
}

std::string listing(const fs::path& root, const std::string& option = "") {
  ToolResult result = run_tool(script("list_tree.sh", root) + " " + option);
  EXPECT_EQ(result.status, 0) << result.output;
  return result.output;
}

class Image : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder;
    ToolResult made = run_tool(script("make_image.sh", folder_->path()));
    ASSERT_EQ(made.status, 0) << made.output;
    ToolResult authority = run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca "
        "-keyout ca.key -out ca.pem");
    ASSERT_EQ(authority.status, 0) << authority.output;
    BuildOptions options;
    options.source = *folder_ / "src";
    options.output = *folder_ / "out";
    options.workload_id = "demo";
    options.broker_url = "https://10.0.2.2:8443";
    options.broker_ca_pem = read_text(*folder_ / "ca.pem");
    auto report = build_image(options);
    ASSERT_TRUE(report.ok()) << report.error().describe();
    report_ = new BuildReport(std::move(*report));
    extract_disk(*folder_ / "out", *folder_ / "disk.img");
    write_text(*folder_ / "key", report_->disk_key.view());
  }
  static void TearDownTestSuite() {
    delete report_;
    delete folder_;
  }
  static ToolResult run(const std::string& command) {
    return run_tool("cd '" + folder_->path().string() + "'; " + command);
  }

  static ScratchFolder* folder_;
  static BuildReport* report_;
};
ScratchFolder* Image::folder_ = nullptr;
BuildReport* Image::report_ = nullptr;

TEST_F(Image, FilesystemIsWhatUmociUnpacks) {
  decrypt_filesystem(*folder_ / "out", report_->disk_key, *folder_ / "fs.erofs");
  ToolResult fsck = run("fsck.erofs --no-preserve-owner --preserve-perms --extract=got fs.erofs");
  ASSERT_EQ(fsck.status, 0) << fsck.output;
  // fsck.erofs 1.5 extracts hard links as files of their own.
  std::string want = listing(*folder_ / "want/rootfs", "no-links"),
              got = listing(*folder_ / "got", "no-links");
  write_text(*folder_ / "want.txt", want);
  write_text(*folder_ / "got.txt", got);
  EXPECT_TRUE(want == got) << run("diff want.txt got.txt").output;
}

// The kernel's own reader, and with it link counts and owners. Where mkfs.erofs's images mount,
// ours must.
TEST_F(Image, KernelMountsIt) {
  decrypt_filesystem(*folder_ / "out", report_->disk_key, *folder_ / "fs3.erofs");
  std::string mount = "mkdir -p mnt && mount -o loop,ro -t erofs {} mnt";
  ToolResult theirs = run("mkdir -p tiny && mkfs.erofs --quiet tiny.erofs tiny && " +
                          fmt::format(fmt::runtime(mount), "tiny.erofs") + " && umount mnt");
  if (theirs.status != 0) GTEST_SKIP() << "no mount of EROFS images on this machine";
  ToolResult ours = run(fmt::format(fmt::runtime(mount), "fs3.erofs"));
  ASSERT_EQ(ours.status, 0) << ours.output;
  std::string want = listing(*folder_ / "want/rootfs"), got = listing(*folder_ / "mnt");
  write_text(*folder_ / "want.txt", want);
  write_text(*folder_ / "got.txt", got);
  EXPECT_TRUE(want == got) << run("diff want.txt got.txt").output;
  EXPECT_EQ(run("umount mnt").status, 0);
}

TEST_F(Image, HoldsTheExactConfiguration) {
  decrypt_filesystem(*folder_ / "out", report_->disk_key, *folder_ / "fs2.erofs");
  ASSERT_EQ(run("fsck.erofs --extract=got2 fs2.erofs").status, 0);
  ToolResult config =
      run("umoci raw config --help >/dev/null; d=$(skopeo inspect --raw oci:src:latest | "
          "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"config\"][\"digest\"][7:])'); "
          "cmp got2/.krun_config.json src/blobs/sha256/$d && stat -c %a got2/.krun_config.json");
  EXPECT_EQ(config.output, "600\n");
}

TEST_F(Image, CryptsetupOpensIt) {
  ToolResult dump = run("cryptsetup luksDump disk.img");
  ASSERT_EQ(dump.status, 0) << dump.output;
  EXPECT_NE(dump.output.find("cipher: aes-xts-plain64"), std::string::npos) << dump.output;
  EXPECT_NE(dump.output.find("sector: 4096"), std::string::npos) << dump.output;
  EXPECT_NE(dump.output.find("offset: 1048576"), std::string::npos) << dump.output;
  ToolResult open = run("cryptsetup open --test-passphrase --key-file key disk.img");
  EXPECT_EQ(open.status, 0) << open.output;
  EXPECT_NE(run("printf wrong | cryptsetup open --test-passphrase --key-file - disk.img").status,
            0);
}

TEST_F(Image, VeritysetupVerifiesItAndSeesAFlippedBit) {
  auto manifest = guest_abi::Manifest::parse(report_->manifest).value();
  std::string command =
      fmt::format("veritysetup verify {{0}} {{0}} {} --hash-offset={}",
                  to_hex(manifest.verity.root_hash), manifest.verity.hash_offset - 4096);
  ToolResult good = run(fmt::format(fmt::runtime(command), "disk.img"));
  EXPECT_EQ(good.status, 0) << good.output;
  ASSERT_EQ(run("cp disk.img bad.img; printf '\\377\\001' | dd of=bad.img bs=1 seek=2000001 "
                "conv=notrunc status=none")
                .status,
            0);
  EXPECT_NE(run(fmt::format(fmt::runtime(command), "bad.img")).status, 0);
}

TEST_F(Image, SkopeoCopiesItUnchanged) {
  ToolResult copy =
      run("skopeo --insecure-policy copy --preserve-digests oci:out:latest oci:copy:again &&"
          "umoci unpack --rootless --image copy:again unpacked");
  ASSERT_EQ(copy.status, 0) << copy.output;
  EXPECT_EQ(run("cmp unpacked/rootfs/disk.img disk.img").status, 0);
  EXPECT_EQ(run("ls -A unpacked/rootfs").output,
            "bartizan.json\ndisk.img\nentrypoint\nkrun-sev.json\ntmp\n");
  EXPECT_EQ(run("stat -c %a unpacked/rootfs/tmp unpacked/rootfs/entrypoint").output, "1777\n755\n");
  ToolResult inspect = run("skopeo inspect --raw oci:copy:again");
  EXPECT_NE(inspect.output.find(R"("org.example.kind":"demo")"), std::string::npos)
      << inspect.output;
  auto whole = inspect_image(*folder_ / "copy"),
       unpacked = inspect_image(*folder_ / "unpacked/rootfs");
  ASSERT_TRUE(whole.ok()) << whole.error().describe();
  ASSERT_TRUE(unpacked.ok()) << unpacked.error().describe();
  EXPECT_EQ(whole->workload_digest, report_->workload_digest);
  EXPECT_EQ(unpacked->workload_digest, report_->workload_digest);
  EXPECT_TRUE(verify_image(*folder_ / "unpacked/rootfs", report_->disk_key.clone()).ok());
}

TEST_F(Image, SaysWhenACopyWasCompressed) {
  ToolResult copy = run("skopeo --insecure-policy copy oci:out:latest oci:packed:again");
  ASSERT_EQ(copy.status, 0) << copy.output;
  auto packed = inspect_image(*folder_ / "packed");
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.error().code, ErrorCode::unsupported);
  EXPECT_NE(packed.error().message.find("is compressed"), std::string::npos);
  auto ordinary = verify_image(*folder_ / "src");  // with compressed layers
  ASSERT_FALSE(ordinary.ok());
  EXPECT_EQ(ordinary.error().code, ErrorCode::invalid_argument) << ordinary.error().describe();
}

// Archives reach us through skopeo: the same file system as from the layout.
TEST_F(Image, BuildsFromArchives) {
  ToolResult made =
      run("skopeo --insecure-policy copy oci:src:latest oci-archive:src.oci.tar:latest && "
          "skopeo --insecure-policy copy oci:src:latest docker-archive:src.docker.tar:a/b:c");
  ASSERT_EQ(made.status, 0) << made.output;
  for (const char* name : {"src.oci.tar", "src.docker.tar"}) {
    BuildOptions options;
    options.source = *folder_ / name;
    options.output = *folder_ / (std::string(name) + ".out");
    auto report = build_image(options);
    ASSERT_TRUE(report.ok()) << report.error().describe();
    EXPECT_EQ(report->entries, report_->entries);
    EXPECT_EQ(report->content_bytes + 1000 > report_->content_bytes, true);
    EXPECT_TRUE(verify_image(options.output, report->disk_key.clone()).ok());
    EXPECT_FALSE(fs::exists(options.output / "source"));
  }
}

TEST_F(Image, BuildsFromATransportOfSkopeo) {
  BuildOptions options;
  options.source = "dir:" + (*folder_ / "as-dir").string();
  options.output = *folder_ / "from-dir";
  auto absent = build_image(options);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::not_found) << absent.error().describe();
  ASSERT_EQ(run("skopeo --insecure-policy copy oci:src:latest dir:as-dir").status, 0);
  auto report = build_image(options);
  ASSERT_TRUE(report.ok()) << report.error().describe();
  EXPECT_EQ(report->entries, report_->entries);
}

TEST_F(Image, SaysThatSkopeoIsMissing) {
  std::string path = ::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  BuildOptions options;
  options.source = "docker://example.org/image";
  options.output = *folder_ / "never";
  auto report = build_image(options);
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::unsupported) << report.error().describe();
  EXPECT_NE(report.error().message.find("skopeo"), std::string::npos);
  EXPECT_NE(report.error().message.find("docker://example.org/image"), std::string::npos);
}

TEST_F(Image, DiffNamesWhatDiffers) {
  auto same = diff_images(*folder_ / "out", *folder_ / "out");
  ASSERT_TRUE(same.ok()) << same.error().describe();
  EXPECT_TRUE(same->empty());
  BuildOptions options;
  options.source = *folder_ / "src";
  options.output = *folder_ / "other";
  options.vcpus = 3;
  ASSERT_TRUE(build_image(options).ok());
  auto found = diff_images(*folder_ / "out", *folder_ / "other");
  ASSERT_TRUE(found.ok()) << found.error().describe();
  std::map<std::string, ImageDifference> by_name;
  for (const auto& difference : *found) by_name[difference.what] = difference;
  EXPECT_EQ(by_name.at("krun/cpus").a, "1");
  EXPECT_EQ(by_name.at("krun/cpus").b, "3");
  EXPECT_EQ(by_name.at("manifest/workload_id").a, "demo");
  EXPECT_EQ(by_name.at("manifest/broker/resource").b, "");
  EXPECT_NE(by_name.at("manifest/disk/verity/root_hash").b, "");
  EXPECT_TRUE(by_name.contains("disk/data"));  // other keys
  EXPECT_FALSE(by_name.contains("manifest/disk/size"));
}

TEST_F(Image, EntrypointSaysWhatToDo) {
  ASSERT_EQ(run("umoci unpack --rootless --image out:latest guard").status, 0);
  ToolResult guard = run("guard/rootfs/entrypoint");
  EXPECT_EQ(guard.status, 1);
  EXPECT_NE(guard.output.find("confidential VM"), std::string::npos);
}

TEST_F(Image, EndsWithTheFooterThatKrunReads) {
  std::string disk = read_text(*folder_ / "disk.img");
  EXPECT_EQ(disk.size() % 4096, 0u);
  EXPECT_EQ(disk.substr(disk.size() - 12, 4), "KRUN");
  uint64_t length =
      load_le<uint64_t>(reinterpret_cast<const uint8_t*>(disk.data() + disk.size() - 8));
  EXPECT_EQ(
      disk.substr(disk.size() - 12 - length, length),
      R"({"attestation_url":"https://10.0.2.2:8443","cpus":1,"ram_mib":512,"tee":"snp","tee_data":"{\"gen\":\"milan\"}","workload_id":"demo"})");
}

TEST_F(Image, HidesTheSecret) {
  EXPECT_EQ(run("grep -rqaF 'the secret is blue' out").status, 1);
  EXPECT_EQ(run("grep -rqaF 'the secret is blue' want").status, 0);
}

TEST_F(Image, InspectSaysWhatIsPublic) {
  auto info = inspect_image(*folder_ / "out");
  ASSERT_TRUE(info.ok()) << info.error().describe();
  EXPECT_EQ(info->workload_id, "demo");
  EXPECT_EQ(info->broker_url, "https://10.0.2.2:8443");
  EXPECT_EQ(info->resource, "default/disk-key/demo");
  EXPECT_EQ(info->cipher, "aes-xts-plain64");
  EXPECT_EQ(info->filesystem, "erofs");
  EXPECT_EQ(info->disk_bytes, report_->disk_bytes);
  EXPECT_EQ(info->manifest, report_->manifest);
}

TEST_F(Image, VerifyAcceptsItAndNamesWhatIsWrong) {
  EXPECT_TRUE(verify_image(*folder_ / "out").ok());
  EXPECT_TRUE(verify_image(*folder_ / "out", report_->disk_key.clone()).ok());
  auto wrong = verify_image(*folder_ / "out", SecretBytes::from_string("wrong"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(wrong.error().reason, "disk_key");

  ASSERT_EQ(run("cp -r out flipped").status, 0);
  auto info = inspect_image(*folder_ / "flipped").value();
  ASSERT_EQ(
      run(fmt::format("printf '\\377\\001' | dd of='{}' bs=1 seek={} conv=notrunc status=none",
                      info.disk_path.string(), info.disk_offset + 2'000'001))
          .status,
      0);
  auto flipped = verify_image(*folder_ / "flipped");
  ASSERT_FALSE(flipped.ok());
  EXPECT_EQ(flipped.error().reason, "verity");
  EXPECT_NE(flipped.error().message.find("data block 488"), std::string::npos)
      << flipped.error().message;
}

}  // namespace
}  // namespace bartizan::test
