#include <gtest/gtest.h>

#include "bartizan/tee.hpp"

namespace bartizan {
namespace {

TEST(TeeNames, GoBothWays) {
  for (int number = 0; number <= 5; number++) {
    auto tee = static_cast<Tee>(number);
    EXPECT_EQ(tee_from_string(to_string(tee)).value(), tee);
  }
  EXPECT_EQ(to_string(static_cast<Tee>(6)), "unknown");
}

TEST(TeeNames, UnknownOnesAreRefusedWithTheChoices) {
  auto error = tee_from_string("SNP").error();
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_NE(error.message.find("sev-es"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace bartizan
