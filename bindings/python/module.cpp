// bartizan._core
#include "python/convert.hpp"

namespace bartizan::python {

namespace {

// errors.def, for bartizan._errors: (name, number, advice).
py::list error_codes() {
  py::list codes;
#define BARTIZAN_ERROR(name, number, advice) codes.append(py::make_tuple(#name, number, advice));
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
  return codes;
}

}  // namespace

}  // namespace bartizan::python

PYBIND11_MODULE(_core, module) {
  using namespace bartizan::python;  // NOLINT: the module's own names
  module.doc() = "The C++ API of bartizan. Use the package `bartizan`.";
  module.attr("__version__") = BARTIZAN_VERSION;
  module.attr("ERROR_CODES") = error_codes();
  bind_results(module);
  bind_tee(module);
  bind_image(module);
  bind_attest(module);
  bind_broker(module);
  bind_machine(module);
}
