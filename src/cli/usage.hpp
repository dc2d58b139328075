// What is wrong with a command line that could not be parsed: the first word that bartizan does not
// know, with the one that was probably meant.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bartizan/error.hpp"

namespace bartizan::cli {

using Words = std::vector<std::string>;

// "help", "help VERB" and "version" are --help, VERB --help and --version.
Words with_help_as_option(Words words);

// invalid_argument for an unknown command, an unknown option or an argument too many, whichever
// comes first. Nothing: something else is wrong.
std::optional<Error> unknown_word(const CLI::App& app, const Words& words);

// The unknown commands of unknown_word() alone: `bartizan biuld --help` is no request for help.
std::optional<Error> unknown_command(const CLI::App& app, const Words& words);

// What else the parser refused, in our words and with the command's name.
Error wrong_words(const CLI::App& app, const CLI::ParseError& error);

}  // namespace bartizan::cli
