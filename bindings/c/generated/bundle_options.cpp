// Structs of options of bartizan.h as those of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {

Result<BundleOptions> from_c(const bartizan_bundle_options* from) {
  const bartizan_bundle_options options = TRY(options_of(from, "bartizan_bundle_options"));
  BundleOptions to;
  TRY(assign(options.kernel, "kernel", to.kernel));
  TRY(assign(options.modules, "modules", to.modules));
  TRY(assign(options.init, "init", to.init));
  TRY(assign(options.output, "output", to.output));
  TRY(assign(options.extra_command_line, "extra_command_line", to.extra_command_line));
  to.progress = progress_sink(options.progress, options.progress_user);
  return to;
}

}  // namespace bartizan::c
