#include "krun/variant.hpp"

namespace bartizan::krun {

// crun uses it for ordinary images alone, which it refuses: a bundle would be read for nobody.
const Variant kVariant = {false};

}  // namespace bartizan::krun
