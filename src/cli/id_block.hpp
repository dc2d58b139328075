// The options of `measure` that make an ID block of an snp launch.
#pragma once

#include "bartizan/tee.hpp"
#include "cli/command.hpp"

namespace bartizan::cli {

struct IdBlockArguments {
  IdBlockOptions options;
  std::string family_id, image_id;              // in hexadecimal
  std::string block_path, authentication_path;  // where to put the two parts
  bool wanted() const { return !options.id_key.empty(); }
};

void add_id_block_options(CLI::App& command, IdBlockArguments& to);

// Makes the ID block of a launch with `digest`, writes its two files and notes the digests of the
// keys.
Result<void> write_id_block(const IdBlockArguments& arguments, const std::vector<uint8_t>& digest,
                            Printer& output);

}  // namespace bartizan::cli
