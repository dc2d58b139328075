// Golden files: texts that are kept and reviewed in diffs, here the transcripts of launches.
//
// expect_golden(text, path): path relative to the source tree. With BARTIZAN_WRITE_GOLDEN=1 in the
// environment the file is written instead, and the test fails once, so that nobody does it unseen.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace bartizan::fakes {

inline void expect_golden(const std::string& text, const std::string& path) {
  std::filesystem::path file = std::filesystem::path(BARTIZAN_SOURCE_DIR) / path;
  if (std::getenv("BARTIZAN_WRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    ADD_FAILURE() << path << ": written; run again without BARTIZAN_WRITE_GOLDEN";
    return;
  }
  std::ifstream kept(file);
  ASSERT_TRUE(kept) << path << ": missing (BARTIZAN_WRITE_GOLDEN=1 makes it)";
  std::ostringstream all;
  all << kept.rdbuf();
  EXPECT_EQ(text, all.str()) << path << " (BARTIZAN_WRITE_GOLDEN=1 makes it anew)";
}

}  // namespace bartizan::fakes
