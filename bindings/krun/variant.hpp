// What differs between the two libraries; each links one definition of it.
#pragma once

namespace bartizan::krun {

struct Variant {
  // krun_create_ctx reads what a machine needs of the host: crun makes a context in every library
  // that it finds, before it knows which one the container wants, and starts in another world.
  bool reads_at_creation;
};
extern const Variant kVariant;

}  // namespace bartizan::krun
