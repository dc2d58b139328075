// What a container's machine is made with, where image, engine and operator each have a word: one
// answer for bartizan-runtime and for the library that crun loads (bindings/krun).
#pragma once

#include <filesystem>

#include "bartizan/result.hpp"
#include "base/json.hpp"
#include "runtime/root_files.hpp"
#include "runtime/settings.hpp"

namespace bartizan::runtime {

// Of this container's annotation, else of the operator, else of the image: the image's own broker
// decides what evidence opens it. invalid_argument: none, for an image that has to attest.
Result<Tee> choose_tee(const ImageFacts& image, const Wishes& wishes, const Settings& settings);

// Without a broker somebody gives the key; with one nobody else may. invalid_argument.
Result<void> check_key(const ImageFacts& image, const Wishes& wishes);

// Only an image that allows it lets a host say where its broker is. invalid_argument.
Result<void> check_broker(const ImageFacts& image, const Wishes& wishes);

// The folder of the guest bundle; nothing needs to be there.
std::filesystem::path bundle_of(const Wishes& wishes, const Settings& settings);

// Where the scratch disk goes that the image asks for: into the container's root folder, which is
// space of the host's disk, and gone with the container. Empty: none, or that folder is read-only.
std::filesystem::path scratch_of(const ImageFacts& image, const Json& config);

}  // namespace bartizan::runtime
