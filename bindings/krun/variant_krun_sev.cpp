#include "krun/variant.hpp"

namespace bartizan::krun {

const Variant kVariant = {true};

}  // namespace bartizan::krun
