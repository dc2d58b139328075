// What a machine needs of the host's files. crun makes a context before it enters the container,
// starts the machine in it, and closes every descriptor in between: so all of this is memory.
#pragma once

#include "bartizan/machine.hpp"
#include "runtime/settings.hpp"

namespace bartizan::krun {

struct HostFiles {
  runtime::Settings settings;
  LoadedBundle bundle;
};

// The operator's settings, and the guest bundle that they name, else the default one. It starts no
// thread and leaves no descriptor. OpenSSL has read its configuration then: the host's.
//
// crun up to 1.20 calls from inside the container. Nothing there is the operator's: the settings
// are the defaults then, whatever files the image has, and the bundle is the image's own, at
// /.bartizan/bundle, which its launch measures like any other.
Result<HostFiles> read_host_files();

}  // namespace bartizan::krun
