// What comes from outside and is wrong: the documented code, a message that names the thing,
// nothing left behind.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "bartizan/tee.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;

class BadInput : public testing::Test {
 protected:
  BuildOptions options() {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / "out";
    return options;
  }
  void make(const std::vector<LayerBlob>& layers) { make_layout(scratch_ / "src", layers); }
  void make(const std::vector<TarItem>& items) { make(std::vector<LayerBlob>{{make_tar(items)}}); }

  // Builds, expects a refusal and that nothing but the source is there afterwards.
  Error refusal(const BuildOptions& options) {
    auto report = build_image(options);
    EXPECT_FALSE(report.ok());
    for (const auto& entry : fs::directory_iterator(scratch_.path())) {
      EXPECT_FALSE(entry.path().filename().string().starts_with("out")) << entry.path();
    }
    return report.ok() ? Error{} : report.error();
  }
  Error refusal() { return refusal(options()); }

  ScratchFolder scratch_;
};

TEST_F(BadInput, MissingSource) {
  EXPECT_REFUSAL(refusal(), not_found, "/src");
}

TEST_F(BadInput, MissingFolderOfTheOutput) {
  make(std::vector<TarItem>{{"a"}});
  auto options = this->options();
  options.output = scratch_ / "no/where";
  EXPECT_REFUSAL(refusal(options), not_found, "no/where");
}

TEST_F(BadInput, NotALayout) {
  fs::create_directory(scratch_ / "src");
  EXPECT_REFUSAL(refusal(), corrupt, "not an OCI layout: oci-layout is missing");
}

TEST_F(BadInput, SourceIsAFile) {
  write_text(scratch_ / "src", "text");
  EXPECT_REFUSAL(refusal(), corrupt, "not an OCI layout");
}

TEST_F(BadInput, IndexIsNoJson) {
  make(std::vector<TarItem>{{"a"}});
  write_text(scratch_ / "src/index.json", "{");
  EXPECT_REFUSAL(refusal(), corrupt, "index.json");
}

TEST_F(BadInput, UnknownReference) {
  make(std::vector<TarItem>{{"a"}});
  auto options = this->options();
  options.reference = "v9";
  EXPECT_REFUSAL(refusal(options), not_found, "\"v9\"");
}

TEST_F(BadInput, UnreadableBlob) {
  if (::geteuid() == 0) {
    // Root reads everything: the same by a user who does not.
    make(std::vector<TarItem>{{"a"}});
    fs::permissions(scratch_.path(), fs::perms::all);
    for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256"))
      ::chmod(entry.path().c_str(), 0);
    ASSERT_EQ(::seteuid(65534), 0);
    Error error = refusal();
    ASSERT_EQ(::seteuid(0), 0);
    EXPECT_REFUSAL(error, permission_denied, "blobs/sha256/");
    return;
  }
  make(std::vector<TarItem>{{"a"}});
  for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256"))
    ::chmod(entry.path().c_str(), 0);
  EXPECT_REFUSAL(refusal(), permission_denied, "blobs/sha256/");
}

TEST_F(BadInput, MissingBlob) {
  make(std::vector<TarItem>{{"a"}});
  fs::remove_all(scratch_ / "src/blobs");
  EXPECT_REFUSAL(refusal(), not_found, "blobs/sha256/");
}

TEST_F(BadInput, UnknownMediaType) {
  make(std::vector<LayerBlob>{{make_tar({{"a"}}), "application/vnd.example.layer+brotli"}});
  EXPECT_REFUSAL(refusal(), unsupported, "application/vnd.example.layer+brotli");
}

TEST_F(BadInput, DigestThatIsAPath) {
  make(std::vector<TarItem>{{"a"}});
  write_text(
      scratch_ / "src/index.json",
      R"({"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../../etc/passwd","size":1}]})");
  EXPECT_REFUSAL(refusal(), corrupt, "../../../etc/passwd");
}

TEST_F(BadInput, BlobOfAnotherContent) {
  std::string tar = make_tar({{"a", '0', "content"}});
  make(std::vector<LayerBlob>{{tar}});
  for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256")) {
    if (fs::file_size(entry) != tar.size()) continue;
    tar[512] = 'X';
    write_text(entry.path(), tar);
  }
  EXPECT_REFUSAL(refusal(), corrupt, "has the digest");
}

TEST_F(BadInput, BlobCutOffAtManyPlaces) {
  std::string tar = make_tar({{"folder/", '5'}, {"folder/file", '0', std::string(5000, 'x')}});
  for (size_t size : {0, 100, 511, 512, 1000, 1024, 1536, 3000, 6000, 7000}) {
    make(std::vector<LayerBlob>{{tar}});
    for (const auto& entry : fs::directory_iterator(scratch_ / "src/blobs/sha256")) {
      if (fs::file_size(entry) == tar.size()) fs::resize_file(entry.path(), size);
    }
    EXPECT_REFUSAL(refusal(), corrupt, "its descriptor has");
    fs::remove_all(scratch_ / "src");
  }
}

// As above, but the digests fit: whoever made the image made it so.
TEST_F(BadInput, LayerCutOffAtManyPlaces) {
  std::string tar = make_tar({{"folder/", '5'}, {"folder/file", '0', std::string(5000, 'x')}});
  for (size_t size : {1, 100, 511, 513, 1000, 1025, 1536, 3000, 6000}) {
    make(std::vector<LayerBlob>{{tar.substr(0, size)}});
    EXPECT_REFUSAL(refusal(), corrupt, "cut off");
    fs::remove_all(scratch_ / "src");
  }
}

TEST_F(BadInput, DamagedCompression) {
  std::string tar = make_tar({{"file", '0', std::string(5000, 'x')}});
  write_text(scratch_ / "tar", tar);
  for (const auto& [tool, suffix] : {std::pair{"gzip", "gzip"}, std::pair{"zstd", "zstd"}}) {
    ToolResult packed =
        run_tool(fmt::format("cd '{}' && {} -c tar > packed", scratch_.path().string(), tool));
    if (packed.status != 0) continue;  // zstd's tool need not be installed
    std::string blob = read_text(scratch_ / "packed");
    std::string type = std::string("application/vnd.oci.image.layer.v1.tar+") + suffix;
    make(std::vector<LayerBlob>{{blob, type}});
    auto good = build_image(options());
    EXPECT_TRUE(good.ok()) << good.error().describe();
    fs::remove_all(scratch_ / "src");
    fs::remove_all(scratch_ / "out");
    make(std::vector<LayerBlob>{{blob.substr(0, blob.size() - 9), type}});
    EXPECT_REFUSAL(refusal(), corrupt, "cut off");
    fs::remove_all(scratch_ / "src");
    make(std::vector<LayerBlob>{{"not compressed at all, but long enough to be looked at", type}});
    EXPECT_REFUSAL(refusal(), corrupt, "layer sha256:");
    fs::remove_all(scratch_ / "src");
  }
}

TEST_F(BadInput, PathsThatLeaveTheRoot) {
  for (const char* path : {"../evil", "a/../../evil", "/../evil", "./..", ".."}) {
    make(std::vector<TarItem>{{path, '0', "x"}});
    EXPECT_REFUSAL(refusal(), corrupt, path);
    fs::remove_all(scratch_ / "src");
  }
  make(std::vector<TarItem>{{"link", '1', "", "../../etc/passwd"}});
  EXPECT_REFUSAL(refusal(), corrupt, "../../etc/passwd");
}

TEST_F(BadInput, HardLinksToNothingAndInCircles) {
  make(std::vector<TarItem>{{"link", '1', "", "nowhere"}});
  EXPECT_REFUSAL(refusal(), corrupt, "nowhere");
  fs::remove_all(scratch_ / "src");
  make(std::vector<TarItem>{{"a", '1', "", "b"}, {"b", '1', "", "a"}});
  EXPECT_REFUSAL(refusal(), corrupt, "circle");
  fs::remove_all(scratch_ / "src");
  make(std::vector<TarItem>{{"a", '1', "", "a"}});
  EXPECT_REFUSAL(refusal(), corrupt, "itself");
}

TEST_F(BadInput, SymbolicLinksInCircles) {
  make(std::vector<TarItem>{{"a", '2', "", "b"}, {"b", '2', "", "a"}, {"a/file", '0', "x"}});
  EXPECT_REFUSAL(refusal(), corrupt, "circle");
}

TEST_F(BadInput, FileBelowAFile) {
  make(std::vector<TarItem>{{"a", '0', "x"}, {"a/b", '0', "x"}});
  EXPECT_REFUSAL(refusal(), corrupt, "not a folder");
}

TEST_F(BadInput, UnknownTarEntry) {
  make(std::vector<TarItem>{{"volume", 'V', ""}});
  EXPECT_REFUSAL(refusal(), unsupported, "'V'");
}

TEST_F(BadInput, OutputExists) {
  make(std::vector<TarItem>{{"a"}});
  fs::create_directory(scratch_ / "out");
  auto report = build_image(options());
  ASSERT_FALSE(report.ok());
  EXPECT_REFUSAL(report.error(), already_exists, "/out");
  EXPECT_TRUE(fs::is_empty(scratch_ / "out"));
}

TEST_F(BadInput, WrongOptions) {
  make(std::vector<TarItem>{{"a"}});
  auto wrong = [&](auto change, std::string_view words) {
    auto options = this->options();
    change(options);
    EXPECT_REFUSAL(refusal(options), invalid_argument, words);
  };
  wrong([](BuildOptions& o) { o.workload_id = "a/b"; }, "workload_id");
  for (const char* url :
       {"http://x", "https://x:0", "https://x:70000", "https://x/kbs", "https://x?y", "https://x#y",
        "https://x y", "https://", "https://[::1", "https://x:1:2", "https://x\n"})
    wrong([&](BuildOptions& o) { o.broker_url = url; }, "broker_url \"");
  wrong([](BuildOptions& o) { o.recovery_passphrase = SecretBytes::from_string("seven77"); },
        "recovery_passphrase: of 7 bytes");
  wrong([](BuildOptions& o) { o.broker_url = "https://x"; }, "broker_ca_pem");
  wrong([](BuildOptions& o) { o.resource = "a/b"; }, "resource");
  wrong([](BuildOptions& o) { o.disk_key = SecretBytes(); }, "disk_key");
  wrong([](BuildOptions& o) { o.tee = "simulated"; }, "tee \"simulated\"");
  wrong([](BuildOptions& o) { o.tee_data = "{"; }, "tee_data \"{\"");
  wrong([](BuildOptions& o) { o.tee_config = R"({"cpus":300})"; }, "tee_config: \"cpus\" 300");
  wrong([](BuildOptions& o) { o.tee_config = R"({"workload_id":"a/b"})"; },
        "\"workload_id\" \"a/b\"");
  wrong([](BuildOptions& o) { o.tee_config = R"({"attestation_url":"http://x"})"; },
        "tee_config: \"attestation_url\"");
  // No launch could have as many.
  wrong([](BuildOptions& o) { o.vcpus = kMaxVcpus + 1; }, "vcpus 255: must be 1 to 254");
  wrong([](BuildOptions& o) { o.ram_mib = 127; }, "ram_mib 127: must be 128 to 262144");
  wrong([](BuildOptions& o) { o.ram_mib = 262145; }, "ram_mib 262145");
  wrong([](BuildOptions& o) { o.output = o.output.string() + ".tar.gz"; }, "tar.gz");
}

// Accepted by whoever knows better.
TEST_F(BadInput, WhatProtectsNothing) {
  make(std::vector<TarItem>{{"a"}});
  auto weak = options();
  weak.disk_key = SecretBytes::from_string(std::string(31, 'k'));
  EXPECT_REFUSAL(refusal(weak), invalid_argument, "of 31 bytes, but must have 32 random ones");
  for (std::string_view repeated : {"k", "0123456789abcdef", "0123456789abcdef0123456789abcde"}) {
    std::string text;
    while (text.size() < 64) text += repeated;
    weak.disk_key = SecretBytes::from_string(text);
    EXPECT_REFUSAL(refusal(weak), invalid_argument,
                   fmt::format("repeats its first {} bytes", repeated.size()));
  }
  weak.force = true;
  EXPECT_TRUE(build_image(weak).ok());
  fs::remove_all(scratch_ / "out");
  auto strong = options();
  strong.disk_key = SecretBytes::from_string("0123456789abcdefghijklmnopqrstuv");
  EXPECT_TRUE(build_image(strong).ok());
}

TEST_F(BadInput, BrokerThatNoGuestReaches) {
  make(std::vector<TarItem>{{"a"}});
  auto made = run_tool(fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca "
      "-keyout '{0}/ca.key' -out '{0}/ca.pem'",
      scratch_.path().string()));
  ASSERT_EQ(made.status, 0) << made.output;
  auto options = this->options();
  options.broker_url = "https://10.0.2.2:8443";
  options.broker_ca_pem = read_text(scratch_ / "ca.pem") + read_text(scratch_ / "ca.key");
  EXPECT_REFUSAL(refusal(options), invalid_argument, "private key");
  options.broker_url = "https://user:hunter2@10.0.2.2:8443";
  EXPECT_REFUSAL(refusal(options), invalid_argument, "a user or a password");
  EXPECT_EQ(refusal(options).message.find("hunter2"), std::string::npos);
  options.broker_url = "https://10.0.2.2:8443";
  options.broker_ca_pem = "root:x:0:0:root:/root:/bin/bash\n";
  options.force = true;
  EXPECT_REFUSAL(refusal(options), invalid_argument, "broker_ca_pem");
  options.force = false;
  options.broker_ca_pem = read_text(scratch_ / "ca.pem");
  for (const char* url : {"https://127.0.0.1:8443", "https://localhost", "https://[::1]:8443"}) {
    options.broker_url = url;
    EXPECT_REFUSAL(refusal(options), invalid_argument, url);
  }
  options.broker_url = "https://10.0.2.2:8443";
  options.network = false;
  EXPECT_REFUSAL(refusal(options), invalid_argument, "network: off, and by it a guest asks");
  options.force = true;
  EXPECT_TRUE(build_image(options).ok());
  EXPECT_EQ(inspect_image(options.output).value().host_may, "output");  // it is not trusted
  fs::remove_all(scratch_ / "out");
  options.force = false;
  options.network = true;
  EXPECT_TRUE(build_image(options).ok());
}

TEST_F(BadInput, WhatWouldNeverRun) {
  const std::string passwd = "root:x:0:0::/:/x\nweb:x:7:7::/:/x\n";
  const LayerBlob layer{make_tar({{"etc/passwd", '0', passwd},
                                  {"etc/group", '0', "www:x:9:\n"},
                                  {"usr/bin/app", '0', "x", "", 0755},
                                  {"usr/plain", '0', "x"},
                                  {"bin", '2', "", "usr/bin"},
                                  {"start", '2', "", "/bin/../bin/app"},
                                  {"loop", '2', "", "loop"}})};
  const auto result = [&](std::string_view process, bool force = false) {
    fs::remove_all(scratch_ / "src");
    fs::remove_all(scratch_ / "out");
    make_layout(scratch_ / "src", {layer}, "latest", process);
    auto options = this->options();
    options.force = force;
    return build_image(options);
  };
  for (auto [process, words] : std::map<std::string_view, const char*>{
           {R"({"Env":["A=b"]})", "neither Entrypoint nor Cmd"},
           {R"({"Entrypoint":[],"Cmd":null})", "neither Entrypoint nor Cmd"},
           {R"({"Entrypoint":["/usr/bin/other"]})", "\"/usr/bin/other\" is not in it"},
           {R"({"Cmd":["/loop"]})", "/loop"},
           {R"({"Cmd":["/usr/plain"]})", "not an executable file"},
           {R"({"Cmd":["/usr/bin"]})", "not an executable file"},
           {R"({"Cmd":["/start"],"User":"nosuch"})", "\"nosuch\""},
           {R"({"Cmd":["/start"],"User":"web:nosuch"})", "group \"nosuch\""}}) {
    auto built = result(process);
    ASSERT_FALSE(built.ok()) << process;
    EXPECT_REFUSAL(built.error(), invalid_argument, words);
    EXPECT_FALSE(fs::exists(scratch_ / "out"));
    EXPECT_TRUE(result(process, true).ok()) << process;
  }
  for (std::string_view process : {R"({"Cmd":["/start"],"User":"web:www"})",
                                   R"({"Cmd":["/bin/app"],"User":"77:88"})", R"({"Cmd":["app"]})"})
    EXPECT_TRUE(result(process).ok()) << result(process).error().describe();
}

TEST_F(BadInput, ConfidentialImageIsNoSource) {
  make(std::vector<TarItem>{{"a"}});
  auto first = options();
  first.output = scratch_ / "made";
  ASSERT_TRUE(build_image(first).ok());
  auto again = options();
  again.source = first.output;
  EXPECT_REFUSAL(refusal(again), invalid_argument, "already a confidential image");
  again.force = true;
  EXPECT_TRUE(build_image(again).ok());
}

TEST_F(BadInput, NameOfAnImageIsNoFolder) {
  auto named = options();
  named.source = "localhost/app:1";
  EXPECT_REFUSAL(refusal(named), not_found, "containers-storage:localhost/app:1");
  EXPECT_REFUSAL(refusal(named), not_found, "docker://localhost/app:1");
}

TEST_F(BadInput, CancelledAtEachStage) {
  make(std::vector<TarItem>{{"a", '0', std::string(3 << 20, 'x')}});
  for (std::string_view stage : {"layers", "integrity", "image"}) {
    auto options = this->options();
    options.progress = [stage](const Progress& progress) { return progress.stage != stage; };
    EXPECT_REFUSAL(refusal(options), cancelled, stage);
  }
}

// The limit on file size stands for a full disk: the write fails in the same places. Every step up
// to the size of the whole output, at which all is well.
TEST_F(BadInput, DiskFullAtEveryStep) {
  make(std::vector<TarItem>{{"a", '0', std::string(3 << 20, 'x')}});
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  constexpr rlim_t kStep = 50'000;
  int refused = 0;
  for (rlim_t limit = 0;; limit += kStep) {
    ASSERT_LT(limit, rlim_t{5'000'000});
    rlimit small{limit, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    auto report = build_image(options());
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    if (report.ok()) break;
    ++refused;
    const Error& error = report.error();
    EXPECT_EQ(error.code, ErrorCode::resource_exhausted) << limit << ": " << error.describe();
    EXPECT_EQ(error.os_errno, EFBIG) << limit << ": " << error.describe();
    bool named = error.message.find("out.partial-") != std::string::npos ||
                 error.message.find("in memory") != std::string::npos;
    EXPECT_TRUE(named) << error.describe();
    ASSERT_EQ(std::distance(fs::directory_iterator(scratch_.path()), fs::directory_iterator()), 1);
  }
  EXPECT_GT(refused, 80);
}

// Killed at any moment, a build leaves one folder with a telling name, and the next one removes it.
TEST_F(BadInput, KilledAtManyMoments) {
  make(std::vector<TarItem>{{"a", '0', std::string(3 << 20, 'x')}});
  int left = 0;
  for (std::string_view stage : {"layers", "integrity", "image"}) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto options = this->options();
      options.progress = [stage](const Progress& progress) {
        if (progress.stage == stage) ::kill(::getpid(), SIGKILL);
        return true;
      };
      (void)build_image(options);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(scratch_.path()))
      names.push_back(entry.path().filename().string());
    ASSERT_EQ(names.size(), 2u);  // the source, and what is left of this build only
    for (const auto& name : names) left += name.starts_with("out.partial-");
  }
  EXPECT_EQ(left, 3);
  ASSERT_TRUE(build_image(options()).ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path()), fs::directory_iterator()), 2);
}

// What another build is working on stays.
TEST_F(BadInput, PartialOfALivingBuildStays) {
  make(std::vector<TarItem>{{"a", '0', std::string(3 << 20, 'x')}});
  auto outer = options();
  bool tried = false;
  outer.progress = [&](const Progress& progress) {
    if (progress.stage != "image" || tried) return true;
    tried = true;
    EXPECT_TRUE(build_image(options()).ok());
    return true;
  };
  auto report = build_image(outer);
  EXPECT_TRUE(tried);
  ASSERT_FALSE(report.ok());  // the other was faster
  EXPECT_EQ(report.error().code, ErrorCode::already_exists) << report.error().describe();
  EXPECT_TRUE(verify_image(scratch_ / "out").ok());
}

TEST_F(BadInput, InspectOfSomethingElse) {
  make(std::vector<TarItem>{{"a"}});
  EXPECT_REFUSAL(inspect_image(scratch_ / "src").error(), invalid_argument,
                 "`bartizan build` makes a confidential one");
  EXPECT_REFUSAL(inspect_image(scratch_ / "none").error(), not_found, "none");
}

class BadImage : public BadInput {
 protected:
  void SetUp() override {
    make(std::vector<TarItem>{{"a", '0', std::string(100'000, 'x')}});
    auto report = build_image(options());
    ASSERT_TRUE(report.ok()) << report.error().describe();
    ToolResult unpacked =
        run_tool(fmt::format("umoci unpack --rootless --image '{}:latest' '{}'",
                             (scratch_ / "out").string(), (scratch_ / "unpacked").string()));
    ASSERT_EQ(unpacked.status, 0) << unpacked.output;
    root_ = scratch_ / "unpacked" / "rootfs";
    ASSERT_TRUE(verify_image(root_).ok());
  }
  fs::path root_;
};

TEST_F(BadImage, ManifestOfANewerVersion) {
  std::string manifest = read_text(root_ / "bartizan.json");
  size_t at = manifest.find("\"version\":1");
  ASSERT_NE(at, std::string::npos);
  write_text(root_ / "bartizan.json", manifest.replace(at, 11, "\"version\":2"));
  EXPECT_REFUSAL(inspect_image(root_).error(), unsupported, "version 2");
}

TEST_F(BadImage, ManifestOfAnotherImage) {
  auto options = this->options();
  options.output = scratch_ / "other";
  ASSERT_TRUE(build_image(options).ok());
  auto other = inspect_image(options.output).value().manifest;
  write_text(root_ / "bartizan.json", as_text(other));
  Error error = verify_image(root_).error();
  EXPECT_REFUSAL(error, verification_failed, "data block 0");
  EXPECT_EQ(error.reason, "verity");
  EXPECT_FALSE(error.expected.empty());
  EXPECT_NE(error.expected, error.got);
}

TEST_F(BadImage, DiskCutOff) {
  uint64_t size = fs::file_size(root_ / "disk.img");
  fs::resize_file(root_ / "disk.img", size - 4096);
  EXPECT_REFUSAL(inspect_image(root_).error(), corrupt, "KRUN footer");
  fs::resize_file(root_ / "disk.img", size - 3 * 4096);
  EXPECT_REFUSAL(inspect_image(root_).error(), corrupt, "manifest has");
}

TEST_F(BadImage, FlippedBitsInDataTreeAndHeader) {
  auto manifest = guest_abi::Manifest::parse(inspect_image(root_).value().manifest).value();
  std::string disk = read_text(root_ / "disk.img");
  for (uint64_t at : {uint64_t{5000}, manifest.luks2.offset + 1, manifest.verity.hash_offset + 7,
                      manifest.verity.hash_offset + 4090}) {
    std::string flipped = disk;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    write_text(root_ / "disk.img", flipped);
    auto verified = verify_image(root_);
    ASSERT_FALSE(verified.ok()) << at;
    EXPECT_EQ(verified.error().reason, "verity") << verified.error().describe();
  }
}

}  // namespace
}  // namespace bartizan::test
