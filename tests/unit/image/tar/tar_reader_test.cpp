#include "image/tar/tar_reader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "image/support.hpp"
#include "image/tar/path.hpp"
#include "image/tar/pax.hpp"

namespace bartizan::image {
namespace {

using test::make_tar;
using test::TarItem;

Result<std::optional<tar::TarEntry>> first_entry(const std::string& tar) {
  tar::MemorySource source(as_bytes(tar));
  tar::TarReader reader(source, "test");
  return reader.next();
}

// Recomputes the checksum of the first header after a test changed it.
void fix_checksum(std::string& tar) {
  tar.replace(148, 8, "        ");
  unsigned sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[i]);
  tar.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

std::string pax_record(const std::string& key, const std::string& value) {
  size_t length = key.size() + value.size() + 3;
  size_t digits = std::to_string(length + std::to_string(length).size()).size();
  return fmt::format("{} {}={}\n", length + digits, key, value);
}

TEST(TarReader, ReadsEntriesAndSkipsDataNobodyReads) {
  std::string tar = test::make_tar({{"a/", '5'},
                                    {"a/b", '0', "hello"},
                                    {"a/c", '0', std::string(1000, 'x')},
                                    {"d", '2', "", "a/b"}});
  tar::MemorySource source(as_bytes(tar));
  tar::TarReader reader(source, "test");
  EXPECT_EQ(reader.next().value()->kind, tar::TarKind::directory);
  auto file = reader.next().value().value();
  EXPECT_EQ(file.path, "a/b");
  EXPECT_EQ(file.size, 5u);
  EXPECT_EQ(file.mtime, 15);
  EXPECT_EQ(reader.data_offset(), 1024u);
  Bytes data(10);
  EXPECT_EQ(reader.read(data).value(), 5u);
  EXPECT_EQ(as_text(data).substr(0, 5), "hello");
  EXPECT_EQ(reader.read(data).value(), 0u);
  EXPECT_EQ(reader.next().value()->path, "a/c");
  EXPECT_EQ(reader.next().value()->link, "a/b");
  EXPECT_FALSE(reader.next().value().has_value());
}

TEST(TarReader, PaxOverridesTheHeader) {
  std::string records = pax_record("path", "some/long/ü") + pax_record("uid", "4000000000") +
                        pax_record("mtime", "-1.25") +
                        pax_record("SCHILY.xattr.user.key", std::string("a\0=b", 4));
  auto entry =
      first_entry(test::make_tar({{"x", 'x', records}, {"short", '0', "1"}})).value().value();
  EXPECT_EQ(entry.path, "some/long/ü");
  EXPECT_EQ(entry.uid, 4'000'000'000u);
  EXPECT_EQ(entry.mtime, -2);
  EXPECT_EQ(entry.mtime_nsec, 750'000'000u);
  EXPECT_EQ(entry.xattrs.at("user.key"), std::string("a\0=b", 4));
}

// POSIX pax: "If the value field is zero length, it shall delete any header block field, previously
// entered extended header value". What other unpackers make of it.
TEST(TarReader, EmptyPaxValueIsNone) {
  std::string records = pax_record("path", "") + pax_record("SCHILY.xattr.user.key", "was") +
                        pax_record("SCHILY.xattr.user.key", "");
  auto entry =
      first_entry(test::make_tar({{"x", 'x', records}, {"short", '0', "1"}})).value().value();
  EXPECT_EQ(entry.path, "short");
  EXPECT_TRUE(entry.xattrs.empty());
}

TEST(TarReader, GnuLongNamesAndBase256) {
  std::string tar =
      test::make_tar({{"././@LongLink", 'L', std::string(300, 'n') + '\0'}, {"short", '0', "1"}});
  EXPECT_EQ(first_entry(tar).value()->path, std::string(300, 'n'));
  std::string big = test::make_tar({{"big", '5'}});
  big.replace(108, 8, std::string("\x80\0\0\0\0\x2d\xc6\xc0", 8));  // 3,000,000
  big.replace(136, 12, std::string(11, '\xff') + "\xfe");           // -2
  fix_checksum(big);
  auto entry = first_entry(big).value().value();
  EXPECT_EQ(entry.uid, 3'000'000u);
  EXPECT_EQ(entry.mtime, -2);
}

TEST(TarReader, OldFoldersEndWithASlash) {
  EXPECT_EQ(first_entry(test::make_tar({{"folder/", '0'}})).value()->kind, tar::TarKind::directory);
}

TEST(TarReader, LinksHaveNoDataWhateverTheyClaim) {
  std::string tar = test::make_tar({{"link", '1', "", "x"}, {"next", '0', "1"}});
  tar.replace(124, 11, "00000001000");
  fix_checksum(tar);
  tar::MemorySource source(as_bytes(tar));
  tar::TarReader reader(source, "test");
  EXPECT_EQ(reader.next().value()->path, "link");
  EXPECT_EQ(reader.next().value()->path, "next");
}

TEST(TarReader, RefusesWhatIsMalformed) {
  auto code = [](std::string tar, auto change) {
    change(tar);
    auto entry = first_entry(tar);
    return entry.ok() ? ErrorCode{} : entry.error().code;
  };
  std::string good = test::make_tar({{"a", '0', "x"}});
  EXPECT_EQ(code(good, [](std::string& tar) { tar[0] = 'b'; }), ErrorCode::corrupt);
  EXPECT_EQ(code(good, [](std::string& tar) { tar.replace(124, 3, "9z9"), fix_checksum(tar); }),
            ErrorCode::corrupt);
  EXPECT_EQ(code(good,
                 [](std::string& tar) {
                   tar.replace(124, 12, "\x80" + std::string(11, '\x7f')), fix_checksum(tar);
                 }),
            ErrorCode::corrupt);
  EXPECT_EQ(code(good,
                 [](std::string& tar) {
                   tar.replace(108, 8, std::string(8, '\xff')), fix_checksum(tar);
                 }),
            ErrorCode::corrupt);
  EXPECT_EQ(code(good, [](std::string& tar) { tar[156] = 'S', fix_checksum(tar); }),
            ErrorCode::corrupt);
  auto pax = [](const std::string& records) {
    return first_entry(test::make_tar({{"x", 'x', records}, {"a", '0', "1"}}));
  };
  for (std::string bad : {"5 a=", "99 a=b\n", "x a=b\n", "6 ab\n\n", "0 a=b\n"}) {
    ASSERT_FALSE(pax(bad).ok()) << bad;
    EXPECT_EQ(pax(bad).error().code, ErrorCode::corrupt) << bad;
  }
  EXPECT_EQ(pax(pax_record("size", "-1")).error().code, ErrorCode::corrupt);
  EXPECT_EQ(pax(pax_record("uid", "4294967296")).error().code, ErrorCode::corrupt);
  EXPECT_EQ(pax(pax_record("GNU.sparse.major", "1")).error().code, ErrorCode::unsupported);
  EXPECT_EQ(pax(pax_record("GNU.sparse.size", "7")).error().code, ErrorCode::unsupported);  // 0.0
  for (const char* map : {"0,5,3,1", "9,1", "0,x", "0", "0,18446744073709551615"}) {
    auto bad = pax(pax_record("GNU.sparse.map", map) + pax_record("GNU.sparse.size", "7"));
    EXPECT_EQ(bad.error().code, ErrorCode::corrupt) << map;
  }
}

TEST(TarReader, BoundsExtensions) {
  std::string large =
      test::make_tar({{"x", 'x', pax_record("comment", std::string(2 << 20, 'c'))}, {"a"}});
  EXPECT_EQ(first_entry(large).error().code, ErrorCode::resource_exhausted);
  std::vector<TarItem> many(100, {"x", 'x', pax_record("a", "b")});
  EXPECT_EQ(first_entry(test::make_tar(many)).error().code, ErrorCode::corrupt);
}

TEST(PaxTime, AllForms) {
  EXPECT_EQ(tar::parse_pax_time("12")->seconds, 12);
  EXPECT_EQ(tar::parse_pax_time("12.000000001")->nanoseconds, 1u);
  EXPECT_EQ(tar::parse_pax_time("12.0000000019")->nanoseconds, 1u);
  EXPECT_EQ(tar::parse_pax_time("-3")->seconds, -3);
  EXPECT_EQ(tar::parse_pax_time("-0.5")->seconds, -1);
  for (const char* bad : {"", "-", "1.x", "1e3", "99999999999999999999"})
    EXPECT_FALSE(tar::parse_pax_time(bad)) << bad;
}

TEST(Path, IsRelativeToTheRoot) {
  EXPECT_EQ(tar::split_path("./a//b/", "t").value(), (tar::Path{"a", "b"}));
  EXPECT_EQ(tar::split_path("/a/b", "t").value(), (tar::Path{"a", "b"}));
  EXPECT_TRUE(tar::split_path("./", "t").value().empty());
  EXPECT_EQ(tar::split_path("a/..", "t").error().code, ErrorCode::corrupt);
  EXPECT_EQ(tar::split_path(std::string("a\0b", 3), "t").error().code, ErrorCode::corrupt);
  EXPECT_EQ(tar::split_path(std::string(256, 'n'), "t").error().code, ErrorCode::corrupt);
  EXPECT_TRUE(tar::split_path("a/.wh." + std::string(255, 'n'), "t").ok());
  EXPECT_FALSE(tar::split_path("a/.wh." + std::string(256, 'n'), "t").ok());
  EXPECT_FALSE(tar::split_path(".wh." + std::string(255, 'n') + "/a", "t").ok());
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "d/";
  EXPECT_EQ(tar::split_path(deep, "t").error().code, ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace bartizan::image
