// What the header promises of every function: it can be looked up, and NULL in place of handles and
// required arguments is invalid_argument, never a crash. Outputs keep what they held, *err too on
// success.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "bartizan.h"

namespace {

std::string header() {
  std::ifstream file(BARTIZAN_SOURCE_DIR "/include/bartizan.h");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> functions_of_header(const std::string& macro) {
  std::set<std::string> names;
  const std::string text = header();
  const std::regex declaration("\\b" + macro + R"( [^;(#]*?(bartizan_\w+)\()");
  for (std::sregex_iterator at(text.begin(), text.end(), declaration), end; at != end; ++at)
    names.insert((*at)[1]);
  return names;
}

void expect_functions(const char* file, const char* macro, const char* version, size_t least) {
  void* library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto names = functions_of_header(macro);
  EXPECT_GE(names.size(), least);
  for (const std::string& name : names) {
    EXPECT_NE(dlsym(library, name.c_str()), nullptr) << name;
    EXPECT_NE(dlvsym(library, name.c_str(), version), nullptr) << name;
  }
  dlclose(library);
}

TEST(Symbols, EveryFunctionOfTheHeaderCanBeLookedUpByNameAndVersion) {
  expect_functions("libbartizan.so.0", "BARTIZAN_API", "BARTIZAN_0", 50);
  expect_functions("libbartizan_tools.so.0", "BARTIZAN_TOOLS_API", "BARTIZAN_TOOLS_0", 15);
}

TEST(Symbols, ContractIsInTheFirstSixtyLines) {
  const std::string text = header();
  const size_t contract_end = text.find("#ifndef BARTIZAN_H");
  EXPECT_LT(std::count(text.begin(), text.begin() + static_cast<long>(contract_end), '\n'), 60);
  for (const char* word : {"OWNER", "ERRORS", "STRUCTS", "THREADS", "signal-safe", "CALLS"})
    EXPECT_LT(text.find(word), contract_end) << word;
}

// One row for each function with an `err`: called with NULL for everything that is required.
TEST(NullArguments, AreTheCallersMistake) {
  bartizan_error* error = nullptr;
  const auto refused = [&](int32_t status) {
    EXPECT_EQ(status, BARTIZAN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(bartizan_error_code(error), BARTIZAN_ERROR_INVALID_ARGUMENT);
    EXPECT_STRNE(bartizan_error_message(error), "");
    bartizan_error_free(error);
    error = nullptr;
  };
  refused(bartizan_tee_from_name(nullptr, nullptr, &error));
  refused(bartizan_probe(nullptr, nullptr, &error));
  refused(bartizan_measure(nullptr, nullptr, &error));
  refused(bartizan_measure_set(nullptr, nullptr, &error));
  refused(bartizan_id_block_make(nullptr, nullptr, &error));
  refused(bartizan_bundle_create(nullptr, nullptr, &error));
  refused(bartizan_bundle_read(nullptr, nullptr, &error));
  refused(bartizan_bundle_default_path(nullptr, &error));
  refused(bartizan_image_build(nullptr, nullptr, nullptr, &error));
  refused(bartizan_image_inspect(nullptr, nullptr, nullptr, &error));
  refused(bartizan_image_diff(nullptr, nullptr, nullptr, &error));
  refused(bartizan_image_verify(nullptr, nullptr, 0, nullptr, nullptr, &error));
  refused(bartizan_attest_verify(nullptr, 0, nullptr, nullptr, &error));
  refused(bartizan_attest_request_key(nullptr, nullptr, &error));
  refused(bartizan_broker_start(nullptr, nullptr, &error));
  refused(bartizan_broker_register(nullptr, nullptr, &error));
  refused(bartizan_broker_audit(nullptr, nullptr, nullptr, &error));
  refused(bartizan_context_create(nullptr, nullptr, &error));
  refused(bartizan_context_set_tee(nullptr, 0, &error));
  refused(bartizan_context_attach_luks_disk(nullptr, nullptr, &error));
  refused(bartizan_context_attach_image(nullptr, nullptr, nullptr, 0, &error));
  refused(bartizan_context_start(nullptr, &error));
  refused(bartizan_context_start_enter(nullptr, nullptr, &error));
  refused(bartizan_context_wait(nullptr, 0, nullptr, &error));
  refused(bartizan_context_stats(nullptr, nullptr, &error));
  refused(bartizan_context_published_ports(nullptr, nullptr, &error));
  refused(bartizan_context_read_memory(nullptr, 0, 0, nullptr, 1, &error));
  refused(bartizan_context_count_in_memory(nullptr, 0, nullptr, 0, nullptr, &error));
}

TEST(Outputs, KeepWhatTheyHeld) {
  auto* json = reinterpret_cast<bartizan_string*>(0x1234);
  auto* error = reinterpret_cast<bartizan_error*>(0x5678);
  ASSERT_EQ(bartizan_image_inspect("/nonexistent", nullptr, &json, nullptr),
            BARTIZAN_ERROR_NOT_FOUND);
  EXPECT_EQ(json, reinterpret_cast<bartizan_string*>(0x1234));
  bartizan_string* path = nullptr;
  ASSERT_EQ(bartizan_bundle_default_path(&path, &error), BARTIZAN_OK);
  EXPECT_EQ(error, reinterpret_cast<bartizan_error*>(0x5678));
  EXPECT_GT(bartizan_string_size(path), 0u);
  bartizan_string_free(path);
}

TEST(Blobs, NullWithASizeIsRefused) {
  bartizan_context* context = nullptr;
  ASSERT_EQ(bartizan_context_create(nullptr, &context, nullptr), BARTIZAN_OK);
  EXPECT_EQ(bartizan_context_attach_image(context, "/nonexistent", nullptr, 5, nullptr),
            BARTIZAN_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(bartizan_context_attach_image(context, "/nonexistent", nullptr, 0, nullptr),
            BARTIZAN_ERROR_NOT_FOUND);
  bartizan_context_free(context);
}

}  // namespace
