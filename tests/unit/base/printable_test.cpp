#include "base/printable.hpp"

#include <gtest/gtest.h>

namespace bartizan {
namespace {

TEST(Printable, NothingSteersATerminal) {
  EXPECT_EQ(harmless("a\x1b[31m\x7f\n"), "a\\x1b[31m\\x7f\\x0a");
  EXPECT_EQ(harmless("c1 \xc2\x9b"
                     "31m"),
            "c1 \\x9b31m");
  EXPECT_EQ(harmless("abc\xe2\x80\xae"
                     "cba\xe2\x81\xa6"),
            "abc\\u202ecba\\u2066");
  EXPECT_EQ(harmless("\xe2\x80\xa8"), "\\u2028");
}

TEST(Printable, TextStaysAsItIs) {
  for (const char* text :
       {"", "tab\there",
        "Gr\xc3\xbc\xc3\x9f"
        "e",
        "\xe2\x82\xac 5", "\xe6\x97\xa5", "\xe2\x80", "\xc2", "\xf0\x9f\x98\x80"})
    EXPECT_EQ(harmless(text), text);
}

}  // namespace
}  // namespace bartizan
