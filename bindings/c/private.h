/* What libbartizan.so.0 exports for libbartizan_tools.so.0 alone (version node BARTIZAN_PRIVATE_0):
 * the handles that both give to callers are made and freed in one place. Kept like the public
 * functions: an older tools library may find a newer libbartizan. None throws; NULL is returned
 * without memory. */
#pragma once

#include "bartizan.h"

#ifdef __cplusplus
extern "C" {
#endif

BARTIZAN_API bartizan_error* bartizan_private_error(int32_t code, int32_t os_errno,
                                                    const char* origin, const char* message,
                                                    const char* reason, const char* expected,
                                                    const char* got);
BARTIZAN_API bartizan_string* bartizan_private_string(const char* text, size_t size);
BARTIZAN_API bartizan_secret* bartizan_private_secret(const uint8_t* bytes, size_t size);

#ifdef __cplusplus
}
#endif
