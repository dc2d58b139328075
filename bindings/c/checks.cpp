// The numbers of bartizan.h are those of the C++ API. errors.def must not grow without the header.
#include "c/handles.hpp"

using bartizan::ErrorCode;
using bartizan::ExitKind;
using bartizan::LogLevel;
using bartizan::MemoryView;
using bartizan::Tee;

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

SAME(BARTIZAN_TEE_NONE, Tee::none);
SAME(BARTIZAN_TEE_SIMULATED, Tee::simulated);
SAME(BARTIZAN_TEE_SEV, Tee::sev);
SAME(BARTIZAN_TEE_SEV_ES, Tee::sev_es);
SAME(BARTIZAN_TEE_SNP, Tee::snp);
SAME(BARTIZAN_TEE_TDX, Tee::tdx);

SAME(BARTIZAN_VMM_QEMU, bartizan::Vmm::qemu);
SAME(BARTIZAN_VMM_EC2, bartizan::Vmm::ec2);
SAME(BARTIZAN_VMM_GCE, bartizan::Vmm::gce);

SAME(BARTIZAN_EXIT_CODE, ExitKind::exit_code);
SAME(BARTIZAN_EXIT_SIGNAL, ExitKind::signal);
SAME(BARTIZAN_EXIT_GUEST_FAILURE, ExitKind::guest_failure);
SAME(BARTIZAN_EXIT_SHUTDOWN, ExitKind::shutdown);
SAME(BARTIZAN_EXIT_RESET, ExitKind::reset);
SAME(BARTIZAN_EXIT_CRASH, ExitKind::crash);
SAME(BARTIZAN_EXIT_STOPPED, ExitKind::stopped);

SAME(BARTIZAN_LOG_ERROR, LogLevel::error);
SAME(BARTIZAN_LOG_WARNING, LogLevel::warning);
SAME(BARTIZAN_LOG_INFO, LogLevel::info);
SAME(BARTIZAN_LOG_DEBUG, LogLevel::debug);

SAME(BARTIZAN_HUGE_PAGES_OFF, bartizan::HugePages::off);
SAME(BARTIZAN_HUGE_PAGES_TRANSPARENT, bartizan::HugePages::transparent);
SAME(BARTIZAN_HUGE_PAGES_RESERVED, bartizan::HugePages::reserved);

SAME(BARTIZAN_MEMORY_RAW, MemoryView::raw);
SAME(BARTIZAN_MEMORY_HOST, MemoryView::host);
