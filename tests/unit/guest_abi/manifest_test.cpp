#include "guest_abi/manifest.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "unit/guest_abi/sample.hpp"

namespace bartizan {
namespace {

TEST(Manifest, RoundTrips) {
  Bytes bytes = sample_manifest().serialize().value();
  guest_abi::Manifest back = guest_abi::Manifest::parse(bytes).value();
  EXPECT_EQ(back.serialize().value(), bytes);
  EXPECT_EQ(back.broker->resource, "default/disk-key/web");
  EXPECT_EQ(back.luks2.keyslot.iterations, 1000u);
}

TEST(Manifest, ScratchIsThereOrNot) {
  guest_abi::Manifest manifest = sample_manifest();
  EXPECT_EQ(as_text(manifest.serialize().value()).find("scratch"), std::string_view::npos);
  manifest.scratch_bytes = guest_abi::kMinScratchBytes;
  EXPECT_EQ(guest_abi::Manifest::parse(manifest.serialize().value()).value().scratch_bytes,
            guest_abi::kMinScratchBytes);
  for (uint64_t bytes : {uint64_t{1}, guest_abi::kMinScratchBytes - 4096,
                         guest_abi::kMinScratchBytes + 512, guest_abi::kMaxScratchBytes + 4096}) {
    manifest.scratch_bytes = bytes;
    EXPECT_FALSE(guest_abi::Manifest::parse(manifest.serialize().value()).ok()) << bytes;
  }
}

// Only what is forbidden stands in it, so that there is one text for one meaning.
TEST(Manifest, HostAccessIsWhatIsNotForbidden) {
  guest_abi::Manifest manifest = sample_manifest();
  EXPECT_EQ(as_text(manifest.serialize().value()).find("\"host\""), std::string_view::npos);
  for (const char* words : {"input,output", "input,signals", "output,signals", "output", "none",
                            "output,broker", "input,output,signals,broker", "broker"}) {
    manifest.host = guest_abi::host_access_from_string(words).value();
    auto back = guest_abi::Manifest::parse(manifest.serialize().value());
    ASSERT_TRUE(back.ok()) << words;
    EXPECT_EQ(guest_abi::to_text(back->host), words);
  }
  EXPECT_EQ(guest_abi::to_text({}), "input,output,signals");
  for (const char* words : {"", "all", "input,", ",input", "none,input", "Input", "input output"})
    EXPECT_FALSE(guest_abi::host_access_from_string(words).ok()) << words;
}

TEST(Manifest, NewerVersionSaysSo) {
  Json json = Json::parse(as_text(sample_manifest().serialize().value()));
  json["version"] = 2;
  auto result = guest_abi::Manifest::parse(as_bytes(json.dump()));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::unsupported);
  EXPECT_NE(result.error().message.find("version 2"), std::string::npos);
}

// Each edit must be refused; a manifest has exactly one text.
TEST(Manifest, RefusesEveryDeviation) {
  const Json good = Json::parse(as_text(sample_manifest().serialize().value()));
  const std::pair<const char*, Json> edits[] = {
      {"/unknown", 1},
      {"/disk/size", 4097},
      {"/disk/size", 4096},
      {"/disk/filesystem", "ext9"},
      {"/disk/luks2/offset", 1},
      {"/disk/luks2/sector_size", 1000},
      {"/disk/luks2/cipher", "null"},
      {"/disk/luks2/keyslot/iterations", 0},
      {"/disk/luks2/keyslot/iterations", 4000000000u},
      {"/disk/luks2/keyslot/offset", 17 * 4096},
      {"/disk/verity/root_hash", "00"},
      {"/disk/verity/root_hash", std::string(64, 'A')},
      {"/disk/verity/data_blocks", 1000000},
      {"/disk/verity/hash_offset", 4096},
      {"/disk/verity/algorithm", "md5"},
      {"/network", "yes"},
      {"/host", Json::object()},
      {"/host", {{"input", true}}},
      {"/host", {{"input", "no"}}},
      {"/host", {{"exec", false}}},
      {"/scratch", 67108864},
      {"/scratch/size", 0},
  };
  for (const auto& [path, value] : edits) {
    Json json = good;
    json[Json::json_pointer(path)] = value;
    EXPECT_FALSE(guest_abi::Manifest::parse(as_bytes(json.dump())).ok()) << path << " = " << value;
  }
  EXPECT_FALSE(guest_abi::Manifest::parse(as_bytes(good.dump(1))).ok()) << "white space";
  EXPECT_FALSE(guest_abi::Manifest::parse(as_bytes(std::string(70000, ' '))).ok()) << "size";
}

}  // namespace
}  // namespace bartizan
