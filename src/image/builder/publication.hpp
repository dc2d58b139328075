// The public part of an output image: its configuration with history and labels, its annotations.
// Pure: no clock, no files.
#pragma once

#include <string>

#include "base/json.hpp"
#include "image/oci/layout_reader.hpp"

namespace bartizan::image::builder {

struct PublicFacts {
  const oci::SourceImage* source = nullptr;  // null: omit all of it
  const oci::SourceImage* base = nullptr;    // null: none
  std::string base_name;  // "docker.io/library/debian:12"; empty: not for the public
  std::string created;    // RFC 3339
  std::string workload_id, workload_digest;
  std::string layer_digest;  // of our layer, which is a plain tar
};

struct Publication {  // NOLINT(bugprone-exception-escape): moving JSON throws nothing
  Json config;
  oci::Annotations annotations;
};

// corrupt: a base whose configuration does not fit its layers; unsupported: one for another
// platform.
Result<Publication> publication_of(const PublicFacts& facts);

// "created" of an image's configuration; empty if it is absent or no RFC 3339 time.
std::string created_of(const oci::SourceImage& image);

// The name of an image in a registry, as base.name wants it: NAME of "docker://NAME" and of
// "containers-storage:NAME"; else empty, since a path would disclose the machine's folders.
std::string public_name(std::string_view source);

}  // namespace bartizan::image::builder
