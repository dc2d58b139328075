// Golden files: texts that are kept and reviewed in diffs, here the transcripts of launches.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace bartizan::fakes {

// Expects `text` to be what tests/fake_kvm/golden/NAME.txt holds. In a run of
// `scripts/test --update-golden`, which sets BARTIZAN_UPDATE_GOLDEN, writes that file instead.
inline void expect_golden(const std::string& name, const std::string& text) {
  std::filesystem::path folder = BARTIZAN_SOURCE_DIR "/tests/fake_kvm/golden";
  std::filesystem::path path = folder / (name + ".txt");
  if (std::getenv("BARTIZAN_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(folder);
    std::ofstream(path) << text;
  }
  std::ostringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(text, kept.str()) << path << " (scripts/test --update-golden writes it anew)";
}

}  // namespace bartizan::fakes
