// What a build puts out, judged by skopeo, umoci and tar: archives, base images, history and
// labels.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "image/support.hpp"

namespace bartizan::test {
namespace {

namespace fs = std::filesystem;
constexpr char kKey[] = "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89";
constexpr std::string_view kOurFiles[] = {"bartizan.json", "disk.img", "entrypoint",
                                          "krun-sev.json"};

class Output : public testing::Test {
 protected:
  void SetUp() override {
    std::string big(1'500'000, 'x');
    for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
    make_layout(scratch_ / "src", {{make_tar({{"etc/", '5'}, {"big", '0', big}})}});
  }
  BuildOptions options(const std::string& output) const {
    BuildOptions options;
    options.source = scratch_ / "src";
    options.output = scratch_ / output;
    options.workload_id = "w";
    options.disk_key = SecretBytes::from_string(kKey);
    options.reproducible = true;
    return options;
  }
  BuildReport build(BuildOptions options) {
    auto report = build_image(options);
    EXPECT_TRUE(report.ok()) << report.error().describe();
    return report.ok() ? std::move(*report) : BuildReport();
  }
  ToolResult run(const std::string& command) {
    return run_tool("cd '" + scratch_.path().string() + "'; " + command);
  }
  std::string must(const std::string& command) {
    ToolResult result = run(command);
    EXPECT_EQ(result.status, 0) << command << "\n" << result.output;
    return result.output;
  }
  Json config_of(const std::string& image) {
    return Json::parse(must("skopeo inspect --config --raw oci:" + image + ":latest"));
  }
  Json manifest_of(const std::string& image) {
    return Json::parse(must("skopeo inspect --raw oci:" + image + ":latest"));
  }
  // Name and size of all that is left beside the sources.
  std::string left() { return must("ls | grep -E 'partial|out' || true"); }

  ScratchFolder scratch_;
};

// ---- archives

class Archive : public Output {};

TEST_F(Archive, SkopeoCopiesItUnchanged) {
  BuildReport report = build(options("out.tar"));
  EXPECT_EQ(report.output, scratch_ / "out.tar");
  must(
      "skopeo --insecure-policy copy --preserve-digests oci-archive:out.tar:latest "
      "oci:copy:latest");
  EXPECT_NE(must("skopeo inspect oci:copy:latest").find(report.image_digest), std::string::npos);
  auto ours = inspect_image(scratch_ / "out.tar"), theirs = inspect_image(scratch_ / "copy");
  ASSERT_TRUE(ours.ok()) << ours.error().describe();
  ASSERT_TRUE(theirs.ok()) << theirs.error().describe();
  EXPECT_EQ(ours->manifest, theirs->manifest);
  EXPECT_EQ(ours->krun_config, theirs->krun_config);
  EXPECT_EQ(ours->disk_bytes, theirs->disk_bytes);
  EXPECT_EQ(ours->workload_digest, report.workload_digest);
  auto differences = diff_images(scratch_ / "out.tar", scratch_ / "copy");
  ASSERT_TRUE(differences.ok()) << differences.error().describe();
  EXPECT_TRUE(differences->empty());
  auto verified = verify_image(scratch_ / "out.tar", SecretBytes::from_string(kKey));
  EXPECT_TRUE(verified.ok()) << verified.error().describe();
  EXPECT_FALSE(verify_image(scratch_ / "out.tar", SecretBytes::from_string("wrong")).ok());
}

// Pushed as a file, pulled as a folder, both by skopeo, through Debian's registry.
TEST_F(Archive, ComesBackFromARegistryUnchanged) {
  BuildReport report = build(options("out.tar"));
  write_text(scratch_ / "registry.yml",
             "version: 0.1\nstorage: {filesystem: {rootdirectory: registry}}\n"
             "http: {addr: '127.0.0.1:0'}\n");
  must("sh -c 'docker-registry serve registry.yml > registry.log 2>&1 & echo $! > registry.pid'");
  ToolResult copied =
      run("for i in $(seq 300); do grep -q 'listening on' registry.log && break; sleep 0.1; done; "
          "at=$(sed -n 's/.*listening on \\(127[.0-9]*:[0-9]*\\).*/\\1/p' registry.log | head -1); "
          "skopeo --insecure-policy copy --preserve-digests --dest-tls-verify=false "
          "oci-archive:out.tar:latest docker://$at/a/b:1 && "
          "skopeo --insecure-policy copy --preserve-digests --src-tls-verify=false "
          "docker://$at/a/b:1 oci:back:latest");
  run("kill $(cat registry.pid)");
  ASSERT_EQ(copied.status, 0) << copied.output << read_text(scratch_ / "registry.log");
  EXPECT_NE(must("skopeo inspect oci:back:latest").find(report.image_digest), std::string::npos);
  auto same = diff_images(scratch_ / "out.tar", scratch_ / "back");
  ASSERT_TRUE(same.ok()) << same.error().describe();
  EXPECT_TRUE(same->empty());
}

TEST_F(Archive, HoldsTheImageOfTheFolder) {
  BuildReport folder = build(options("out")), archive = build(options("out.tar"));
  EXPECT_EQ(folder.image_digest, archive.image_digest);
  must("mkdir unpacked && tar -C unpacked -xf out.tar && diff -r out unpacked");
}

TEST_F(Archive, RepeatsByteForByte) {
  build(options("out-1.tar"));
  mode_t mask = ::umask(0077);
  ::setenv("TZ", "Asia/Kathmandu", 1);
  build(options("out-2.tar"));
  ::unsetenv("TZ");
  ::umask(mask);
  must("cmp out-1.tar out-2.tar");
}

// The layer is written at its place: at no time is there a second copy of the disk.
TEST_F(Archive, IsWrittenOnceAndAligned) {
  uintmax_t most = 0;
  BuildOptions options = this->options("out.tar");
  options.progress = [&](const Progress&) {
    uintmax_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_.path())) {
      bool ours = entry.path().string().find(".partial-") != std::string::npos;
      if (ours && entry.is_regular_file()) sum += entry.file_size();
    }
    most = std::max(most, sum);
    return true;
  };
  build(std::move(options));
  EXPECT_GT(most, 1'500'000u);
  EXPECT_LE(most, fs::file_size(scratch_ / "out.tar") + 65536);  // and the hashes of the tree
  auto info = inspect_image(scratch_ / "out.tar").value();
  EXPECT_EQ(info.disk_path, scratch_ / "out.tar");
  EXPECT_EQ(info.disk_offset % 4096, 0u);
}

TEST_F(Archive, NameDecides) {
  auto named = [&](const std::string& prefix, const std::string& file) {
    BuildOptions options = this->options("x");
    options.output = prefix + (scratch_ / file).string();
    return options;
  };
  build(named("oci-archive:", "out-a"));
  EXPECT_TRUE(fs::is_regular_file(scratch_ / "out-a"));
  build(named("oci:", "out-b.tar"));
  EXPECT_TRUE(fs::is_directory(scratch_ / "out-b.tar"));
  EXPECT_TRUE(inspect_image("oci-archive:" + (scratch_ / "out-a").string()).ok());
  EXPECT_TRUE(inspect_image("oci:" + (scratch_ / "out-b.tar").string()).ok());
  auto tagged = build_image(named("oci-archive:", "out-c:latest"));
  ASSERT_FALSE(tagged.ok());
  EXPECT_EQ(tagged.error().code, ErrorCode::invalid_argument);
  auto again = build_image(named("oci-archive:", "out-a"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
}

TEST_F(Archive, CancelledLeavesNothing) {
  BuildOptions options = this->options("out.tar");
  options.progress = [](const Progress& progress) { return progress.stage != "image"; };
  auto report = build_image(options);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::cancelled);
  EXPECT_EQ(left(), "");
}

TEST_F(Archive, TruncatedOnesAreRefused) {
  build(options("out.tar"));
  const uint64_t size = fs::file_size(scratch_ / "out.tar");
  const uint64_t disk_end = 4096 + 512 * ((size - 4096) / 512);
  for (uint64_t end = 0; end + 1024 < disk_end; end += end < 65536 ? 4096 : 262'144 + 512) {
    must(fmt::format("head -c {} out.tar > cut.tar", end));
    auto info = inspect_image(scratch_ / "cut.tar");
    ASSERT_FALSE(info.ok()) << end;
    EXPECT_TRUE(info.error().code == ErrorCode::corrupt || info.error().code == ErrorCode::io)
        << end << info.error().describe();
  }
}

TEST_F(Archive, OddOnesAreNamed) {
  build(options("out.tar"));
  auto refused = [&](const std::string& name, ErrorCode code, const std::string& words) {
    auto info = inspect_image(scratch_ / name);
    ASSERT_FALSE(info.ok()) << name;
    EXPECT_EQ(info.error().code, code) << info.error().describe();
    EXPECT_NE(info.error().message.find(words), std::string::npos) << info.error().describe();
  };
  must("gzip -k out.tar");
  refused("out.tar.gz", ErrorCode::unsupported, "gzip");
  must(
      "mkdir u && tar -C u -xf out.tar && cd u && tar -cf ../twice.tar * index.json "
      "--hard-dereference");
  must("cd u && cp index.json other && tar -cf ../twice.tar * && tar -rf ../twice.tar index.json");
  refused("twice.tar", ErrorCode::corrupt, "twice");
  must("cd u && rm oci-layout && tar -cf ../bare.tar blobs index.json");
  refused("bare.tar", ErrorCode::corrupt, "oci-layout");
  must(
      "cd u && mv blobs b && ln -s b blobs && echo '{\"imageLayoutVersion\":\"1.0.0\"}' > "
      "oci-layout "
      "&& tar -cf ../linked.tar *");
  refused("linked.tar", ErrorCode::not_found, "blobs/sha256");
  write_text(scratch_ / "text", std::string(2000, 'x'));
  refused("text", ErrorCode::corrupt, "LUKS header: none");
}

// ---- what is in the last layer

TEST_F(Output, SecondDiskInTheLayerIsRefused) {
  build(options("out"));
  std::string hex = manifest_of("out")["layers"][0]["digest"].get<std::string>().substr(7);
  std::string layer = read_text(scratch_ / "out/blobs/sha256" / hex);
  for (const TarItem& item :
       {TarItem{"./disk.img", '0', "other"}, TarItem{"disk.img", '2', "", "etc"},
        TarItem{"bartizan.json", '1', "", "other"}}) {
    std::string first = make_tar({item});
    first.resize(first.size() - 1024);
    fs::remove_all(scratch_ / "two");
    make_layout(scratch_ / "two", {{first + layer}});
    auto info = inspect_image(scratch_ / "two");
    ASSERT_FALSE(info.ok()) << item.name;
    EXPECT_NE(info.error().message.find(fs::path(item.name).filename()), std::string::npos)
        << info.error().describe();
  }
}

TEST_F(Output, LayerAboveOursMakesItNoConfidentialImage) {
  build(options("out"));
  must(
      "umoci unpack --rootless --image out:latest bundle && touch bundle/rootfs/more && "
      "umoci repack --image out:latest bundle");
  auto info = inspect_image(scratch_ / "out");
  ASSERT_FALSE(info.ok());
}

// ---- base images

class Base : public Output {
 protected:
  BuildOptions on_base(const std::string& output, const std::string& base = "base") {
    BuildOptions options = this->options(output);
    options.base_image = scratch_ / base;
    return options;
  }
  // By umoci, with two compressed layers.
  void make_base() {
    must(
        "umoci init --layout base && umoci new --image base:latest && "
        "umoci config --image base:latest --config.env A=b --config.label org.example.team=x "
        "--config.label org.opencontainers.image.title=base --config.user 1000 "
        "--config.volume /disk.img --config.cmd /bin/sh --config.workingdir /srv "
        "--config.stopsignal SIGUSR1 --config.exposedports 80 --author somebody && "
        "umoci unpack --rootless --image base:latest b && mkdir -p b/rootfs/srv && "
        "echo hello > b/rootfs/srv/hello && umoci repack --refresh-bundle --image base:latest b && "
        "echo two > b/rootfs/srv/two && umoci repack --image base:latest b");
  }
  void check_our_files(const std::string& image) {
    must("rm -rf u plain && umoci unpack --rootless --image " + image + ":latest u");
    must("umoci unpack --rootless --image alone:latest plain");
    for (std::string_view name : kOurFiles)
      must(fmt::format("test -f u/rootfs/{0} && cmp u/rootfs/{0} plain/rootfs/{0}", name));
    EXPECT_EQ(must("stat -c '%F %a' u/rootfs/tmp u/rootfs/entrypoint u/rootfs/disk.img"),
              "directory 1777\nregular file 755\nregular file 600\n");
    auto unpacked = inspect_image(scratch_ / "u/rootfs"), whole = inspect_image(scratch_ / image);
    ASSERT_TRUE(unpacked.ok()) << unpacked.error().describe();
    ASSERT_TRUE(whole.ok()) << whole.error().describe();
    EXPECT_EQ(unpacked->manifest, whole->manifest);
    EXPECT_TRUE(verify_image(scratch_ / image, SecretBytes::from_string(kKey)).ok());
  }
};

TEST_F(Base, LayersAndHistoryComeFirst) {
  make_base();
  build(options("alone"));
  BuildReport report = build(on_base("out"));
  Json base = config_of("base"), ours = config_of("out");
  Json below = manifest_of("base"), made = manifest_of("out");
  ASSERT_EQ(made["layers"].size(), 3u);
  EXPECT_EQ(made["layers"][0], below["layers"][0]);
  EXPECT_EQ(made["layers"][1], below["layers"][1]);
  EXPECT_EQ(ours["rootfs"]["diff_ids"][1], base["rootfs"]["diff_ids"][1]);
  EXPECT_EQ(ours["rootfs"]["diff_ids"][2], made["layers"][2]["digest"]);
  ASSERT_EQ(ours["history"].size(), base["history"].size() + 1);
  EXPECT_EQ(ours["history"][0]["created_by"], base["history"][0]["created_by"]);
  EXPECT_EQ(ours["history"].back()["created_by"], "bartizan build");
  EXPECT_NE(must("umoci stat --image out:latest").find("bartizan build"), std::string::npos);
  must(
      "ls u 2>/dev/null; umoci unpack --rootless --image out:latest x && "
      "test $(cat x/rootfs/srv/two) = two");
  check_our_files("out");
}

TEST_F(Base, ConfigurationIsWhatTheContainerCanUse) {
  make_base();
  build(on_base("out"));
  Json config = config_of("out")["config"];
  EXPECT_EQ(config["Entrypoint"], Json({"/entrypoint"}));
  EXPECT_NE(config["Env"].dump().find("A=b"), std::string::npos);
  EXPECT_EQ(config["WorkingDir"], "/srv");
  EXPECT_EQ(config["StopSignal"], "SIGUSR1");
  EXPECT_TRUE(config.contains("ExposedPorts"));
  for (const char* gone : {"User", "Volumes", "Cmd", "Healthcheck"})
    EXPECT_FALSE(config.contains(gone)) << gone;
  EXPECT_EQ(config["Labels"]["org.example.team"], "x");
  EXPECT_EQ(config["Labels"]["org.opencontainers.image.title"], "w");
  std::string digest =
      Json::parse(read_text(scratch_ / "base/index.json"))["manifests"][0]["digest"];
  EXPECT_EQ(manifest_of("out")["annotations"]["org.opencontainers.image.base.digest"], digest);
}

// Whatever names, links and whiteouts the layers below hold.
TEST_F(Base, NothingOfItReplacesOurFiles) {
  make_layout(scratch_ / "base", {{make_tar({{"disk.img/", '5', "", "", 0755},
                                             {"disk.img/x", '0', "x"},
                                             {"etc/", '5', "", "", 0755},
                                             {"tmp", '2', "", "etc"},
                                             {"bartizan.json", '2', "", "/etc/passwd"},
                                             {"entrypoint", '0', "evil"}})},
                                  {make_tar({{"krun-sev.json", '0', "{}"},
                                             {"other", '1', "", "krun-sev.json"},
                                             {".wh.entrypoint"},
                                             {"etc/.wh..wh..opq"},
                                             {".wh.bartizan.json"}})}});
  build(options("alone"));
  build(on_base("out"));
  check_our_files("out");
  EXPECT_NE(must("umoci stat --image out:latest").find("without a history"), std::string::npos);
  BuildReport archive = build(on_base("out.tar"));
  EXPECT_NE(must("skopeo inspect oci-archive:out.tar:latest").find(archive.image_digest),
            std::string::npos);
  auto same = diff_images(scratch_ / "out", scratch_ / "out.tar");
  ASSERT_TRUE(same.ok()) << same.error().describe();
  EXPECT_TRUE(same->empty());
}

TEST_F(Base, ArchivesAreTakenAndRepeat) {
  make_base();
  must("skopeo --insecure-policy copy oci:base:latest oci-archive:base.tar:latest");
  BuildReport first = build(on_base("out-1.tar", "base.tar")), second = build(on_base("out-2"));
  EXPECT_EQ(first.image_digest, second.image_digest);
  EXPECT_FALSE(fs::exists(scratch_ / "out-2/base"));
}

TEST_F(Base, BadOnesAreRefusedAndLeaveNothing) {
  make_layout(scratch_ / "base", {{make_tar({{"a"}})}, {make_tar({{"b"}})}});
  std::string index = read_text(scratch_ / "base/index.json");
  auto refused = [&](ErrorCode code, const std::string& words) {
    for (const char* output : {"out", "out.tar"}) {
      auto report = build_image(on_base(output));
      ASSERT_FALSE(report.ok()) << words;
      EXPECT_EQ(report.error().code, code) << report.error().describe();
      EXPECT_NE(report.error().message.find(words), std::string::npos) << report.error().describe();
      EXPECT_EQ(left(), "");
    }
  };
  Json manifest = manifest_of("base"), config = config_of("base");
  auto replace = [&](Json changed) {  // the configuration, and what names it
    fs::remove_all(scratch_ / "base");
    make_layout(scratch_ / "base", {{make_tar({{"a"}})}, {make_tar({{"b"}})}});
    std::string text = changed.dump();
    write_text(scratch_ / "new", text);
    std::string hex = must("sha256sum new | head -c 64");
    write_text(scratch_ / "base/blobs/sha256" / hex, text);
    Json m = manifest;
    m["config"]["digest"] = "sha256:" + hex;
    m["config"]["size"] = text.size();
    write_text(scratch_ / "new", m.dump());
    hex = must("sha256sum new | head -c 64");
    write_text(scratch_ / "base/blobs/sha256" / hex, m.dump());
    Json i = Json::parse(index);
    i["manifests"][0]["digest"] = "sha256:" + hex;
    i["manifests"][0]["size"] = m.dump().size();
    write_text(scratch_ / "base/index.json", i.dump());
  };
  Json changed = config;
  changed["rootfs"]["diff_ids"].erase(0);
  replace(changed);
  refused(ErrorCode::corrupt, "diff_ids");
  changed = config;
  changed["architecture"] = "arm64";
  replace(changed);
  refused(ErrorCode::unsupported, "linux/arm64");
  changed = config;
  changed["history"] = {Json::object(), Json::object(), Json::object()};
  replace(changed);
  refused(ErrorCode::corrupt, "history");
  replace(config);
  std::string hex = manifest["layers"][1]["digest"].get<std::string>().substr(7);
  std::string layer = read_text(scratch_ / "base/blobs/sha256" / hex);
  layer[600] ^= 1;
  write_text(scratch_ / "base/blobs/sha256" / hex, layer);
  refused(ErrorCode::corrupt, hex);
}

// ---- what an image says of its launch

constexpr char kTeeConfig[] =
    R"({"workload_id":"from-file","cpus":3,"ram_mib":1024,"tee":"sev",)"
    R"("tee_data":"{\"vendor_chain\":\"/sev.chain\"}","attestation_url":""})";

TEST_F(Output, SaysWhatTheTeeConfigSays) {
  BuildOptions told = options("out-1");
  told.workload_id = "";
  told.tee_config = kTeeConfig;
  EXPECT_EQ(build(std::move(told)).workload_id, "from-file");
  auto info = inspect_image(scratch_ / "out-1").value();
  EXPECT_EQ(info.vcpus, 3u);
  EXPECT_EQ(info.ram_mib, 1024u);
  EXPECT_EQ(info.workload_id, "from-file");
  EXPECT_EQ(Json::parse(info.krun_config), Json::parse(kTeeConfig));
  must("umoci unpack --rootless --image out-1:latest unpacked");
  EXPECT_EQ(must("cat unpacked/rootfs/krun-sev.json"), info.krun_config);
}

TEST_F(Output, OptionsWinOverTheTeeConfig) {
  BuildOptions told = options("out-1");
  told.tee_config = kTeeConfig;
  told.vcpus = 1;
  told.ram_mib = 512;
  told.tee = "snp";
  build(std::move(told));
  auto info = inspect_image(scratch_ / "out-1").value();
  EXPECT_EQ(Json::parse(info.krun_config),
            Json::parse(R"({"workload_id":"w","cpus":1,"ram_mib":512,"tee":"snp",)"
                        R"("tee_data":"{\"gen\":\"milan\"}","attestation_url":""})"))
      << "the file's data is that of another TEE";
}

// ---- history, annotations, labels

// Who judged the manifest of a root folder must not get the image of a layout that lies there too.
TEST_F(Output, LayoutInARootFolderIsNotTheImage) {
  build(options("out"));
  BuildOptions hidden = options("hidden");
  hidden.workload_id = "hidden";
  build(std::move(hidden));
  must("umoci unpack --rootless --image out:latest b && cp -r hidden/. b/rootfs/");
  const fs::path root = scratch_ / "b/rootfs";
  EXPECT_EQ(inspect_image(root)->workload_id, "w");
  fs::rename(root / "disk.img", root / "disk");
  EXPECT_REFUSAL(inspect_image(root).error(), not_found, "disk.img");
  fs::create_symlink("disk", root / "disk.img");
  EXPECT_REFUSAL(inspect_image(root).error(), corrupt, "not a regular file");
}

// ---- files added, and places that skopeo copies to

TEST_F(Output, AddedFilesReplaceWhatIsThere) {
  write_text(scratch_ / "conf", "colour = blue\n");
  write_text(scratch_ / "tool", "#!x\n");
  fs::permissions(scratch_ / "tool", fs::perms(0750));
  const std::string conf = scratch_ / "conf", tool = scratch_ / "tool";
  auto with = [&](const std::string& output, std::vector<std::string> files) {
    BuildOptions added = options(output);
    added.add_files = std::move(files);
    return added;
  };
  BuildReport report = build(with("out", {conf + ":/big", tool + ":/opt/new/tool"}));
  decrypt_filesystem(scratch_ / "out", report.disk_key, scratch_ / "fs");
  must("fsck.erofs --no-preserve-owner --preserve-perms --extract=got fs");
  EXPECT_EQ(read_text(scratch_ / "got/big"), "colour = blue\n");
  EXPECT_EQ(must("stat -c '%a' got/opt/new/tool got/opt/new"), "750\n755\n");
  BuildReport again = build(with("out2", {conf + ":/big", tool + ":/opt/new/tool"}));
  EXPECT_EQ(again.image_digest, report.image_digest);
  // Other content under one key means another volume key.
  build(with("out3", {}));
  EXPECT_NE(inspect_image(scratch_ / "out3")->luks->uuid,
            inspect_image(scratch_ / "out")->luks->uuid);
  for (const std::string& bad : {conf, conf + ":big", std::string(":/big"), conf + ":/",
                                 conf + ":/a/", conf + ":/../x", conf + ":/.krun_config.json"})
    EXPECT_REFUSAL(build_image(with("out4", {bad})).error(), invalid_argument, "add_files");
  EXPECT_REFUSAL(build_image(with("out4", {"/nowhere/conf:/etc/conf"})).error(), not_found,
                 "/nowhere/conf");
  EXPECT_REFUSAL(build_image(with("out4", {conf + ":/a", tool + ":/a"})).error(), invalid_argument,
                 "given twice");
  EXPECT_FALSE(fs::exists(scratch_ / "out4"));
}

TEST_F(Output, GoesWhereSkopeoCopiesTo) {
  BuildOptions elsewhere = options("out");
  elsewhere.output = "dir:" + (scratch_ / "out").string();
  BuildReport report = build(std::move(elsewhere));
  EXPECT_EQ(report.output, "dir:" + (scratch_ / "out").string());
  EXPECT_NE(must("skopeo inspect dir:out").find(report.image_digest), std::string::npos);
  must(
      "skopeo --insecure-policy copy --dest-oci-accept-uncompressed-layers dir:out "
      "oci:copy:latest");
  EXPECT_EQ(inspect_image(scratch_ / "copy")->workload_digest, report.workload_digest);
  BuildOptions nowhere = options("out");
  nowhere.output = "docker://127.0.0.1:1/nobody/listens:latest";
  EXPECT_REFUSAL(build_image(nowhere).error(), io, "docker://127.0.0.1:1/nobody/listens:latest");
  EXPECT_EQ(must("ls ${TMPDIR:-/tmp} | grep bartizan-image.partial || true"), "");
}

// As `podman build` leaves an image and `podman run` takes one.
TEST_F(Output, ReadsAndWritesPodmansStorage) {
  if (::geteuid() != 0) GTEST_SKIP() << "containers-storage of a user needs a user namespace";
  const std::string storage =
      fmt::format("containers-storage:[vfs@{0}/root+{0}/run]", scratch_.path().string());
  must("skopeo --insecure-policy copy oci:src:latest '" + storage + "localhost/plain:1'");
  BuildOptions stored = options("out");
  stored.source = storage + "localhost/plain:1";
  stored.output = storage + "localhost/confidential:1";
  BuildReport report = build(std::move(stored));
  must("skopeo --insecure-policy copy --dest-oci-accept-uncompressed-layers '" + storage +
       "localhost/confidential:1' oci:copy:latest");
  auto info = inspect_image(scratch_ / "copy");
  ASSERT_TRUE(info.ok()) << info.error().describe();
  EXPECT_EQ(info->workload_digest, report.workload_digest);
}

TEST_F(Output, TimesAreFixedInReproducibleBuilds) {
  build(options("out-1"));
  EXPECT_EQ(config_of("out-1")["created"], "1970-01-01T00:00:00Z");
  BuildOptions told = options("out-2");
  told.created = 1'700'000'000;
  build(std::move(told));
  EXPECT_EQ(config_of("out-2")["created"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(config_of("out-2")["history"][0]["created"], "2023-11-14T22:13:20Z");
  must("umoci config --image src:latest --created 2020-02-03T04:05:06+01:00");
  build(options("out-3"));
  EXPECT_EQ(config_of("out-3")["created"].get<std::string>().substr(0, 10), "2020-02-03");
  BuildOptions fresh = options("out-4");
  fresh.reproducible = false;
  build(std::move(fresh));
  EXPECT_GT(config_of("out-4")["created"], "2024");
  BuildOptions bad = options("out-5");
  bad.created = -1;
  EXPECT_FALSE(build_image(bad).ok());
}

TEST_F(Output, TellsWhereItComesFrom) {
  must(
      "umoci config --image src:latest --config.label org.opencontainers.image.licenses=MIT "
      "--config.label org.example.secret=hush "
      "--manifest.annotation org.opencontainers.image.source=https://example.org/src "
      "--manifest.annotation org.opencontainers.image.base.name=debian");
  std::string source = Json::parse(must("skopeo inspect oci:src:latest"))["Digest"];
  BuildReport report = build(options("out"));
  Json seen = Json::parse(must("skopeo inspect oci:out:latest"));
  for (const Json& facts : {seen["Labels"], manifest_of("out")["annotations"]}) {
    EXPECT_EQ(facts["org.opencontainers.image.licenses"], "MIT");
    EXPECT_EQ(facts["org.opencontainers.image.source"], "https://example.org/src");
    EXPECT_EQ(facts["org.opencontainers.image.title"], "w");
    EXPECT_EQ(facts["org.bartizan.source.digest"], source);
    EXPECT_EQ(facts["org.bartizan.workload.digest"], "sha256:" + to_hex(report.workload_digest));
    EXPECT_FALSE(facts.contains("org.opencontainers.image.base.name"));  // ours is on nothing
    EXPECT_FALSE(facts.contains("org.example.secret"));
  }
}

TEST_F(Output, AnonymousTellsNothingOfTheSource) {
  must(
      "umoci config --image src:latest --config.label org.opencontainers.image.licenses=MIT "
      "--manifest.annotation org.opencontainers.image.source=https://example.org/src "
      "--created 2020-02-03T04:05:06Z");
  BuildOptions anonymous = options("out");
  anonymous.anonymous = true;
  build(std::move(anonymous));
  std::string all = manifest_of("out").dump() + config_of("out").dump();
  for (const char* word : {"MIT", "example.org", "source.digest", "2020"})
    EXPECT_EQ(all.find(word), std::string::npos) << word;
  BuildOptions bad = options("out-2");
  bad.anonymous = true;
  bad.workload_id.clear();
  auto report = build_image(bad);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace bartizan::test
