// The numbers of bartizan.h are those of the C++ API. errors.def must not grow without the header.
#include "bartizan.h"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"

using namespace bartizan;  // NOLINT: this file holds nothing but the checks

#define SAME(macro, value) static_assert((macro) == static_cast<int32_t>(value))

SAME(BARTIZAN_ERROR_INVALID_ARGUMENT, ErrorCode::invalid_argument);
SAME(BARTIZAN_ERROR_INVALID_STATE, ErrorCode::invalid_state);
SAME(BARTIZAN_ERROR_NOT_FOUND, ErrorCode::not_found);
SAME(BARTIZAN_ERROR_ALREADY_EXISTS, ErrorCode::already_exists);
SAME(BARTIZAN_ERROR_PERMISSION_DENIED, ErrorCode::permission_denied);
SAME(BARTIZAN_ERROR_UNSUPPORTED, ErrorCode::unsupported);
SAME(BARTIZAN_ERROR_RESOURCE_EXHAUSTED, ErrorCode::resource_exhausted);
SAME(BARTIZAN_ERROR_IO, ErrorCode::io);
SAME(BARTIZAN_ERROR_CORRUPT, ErrorCode::corrupt);
SAME(BARTIZAN_ERROR_VERIFICATION_FAILED, ErrorCode::verification_failed);
SAME(BARTIZAN_ERROR_PROTOCOL, ErrorCode::protocol);
SAME(BARTIZAN_ERROR_TIMED_OUT, ErrorCode::timed_out);
SAME(BARTIZAN_ERROR_CANCELLED, ErrorCode::cancelled);
SAME(BARTIZAN_ERROR_INTERNAL, ErrorCode::internal);

constexpr int kCodes = 0
#define BARTIZAN_ERROR(name, number, advice) +1
#include "bartizan/errors.def"
#undef BARTIZAN_ERROR
    ;
static_assert(kCodes == 14, "a new code: add it to bartizan.h and above");

#include "c/generated/numbers.inc"
