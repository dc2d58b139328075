// The attributes of clang's thread safety analysis. Other compilers see nothing of them.
//
// The preset `clang` and tests/checks/test_style.py compile with -Wthread-safety, which
// then verifies what these words state: which mutex guards a member, which a function needs, and
// the order in which two of them are taken. https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define BARTIZAN_THREAD_ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#else
#define BARTIZAN_THREAD_ATTRIBUTE(...)
#endif

// Of a class: it is a lock, or holds one for as long as it lives.
#define BARTIZAN_CAPABILITY(name) BARTIZAN_THREAD_ATTRIBUTE(capability(name))
#define BARTIZAN_SCOPED_CAPABILITY BARTIZAN_THREAD_ATTRIBUTE(scoped_lockable)

// Of a member: which mutex guards it (or what it points to), and which mutex is taken before it.
#define BARTIZAN_GUARDED_BY(...) BARTIZAN_THREAD_ATTRIBUTE(guarded_by(__VA_ARGS__))
#define BARTIZAN_PT_GUARDED_BY(...) BARTIZAN_THREAD_ATTRIBUTE(pt_guarded_by(__VA_ARGS__))
#define BARTIZAN_ACQUIRED_AFTER(...) BARTIZAN_THREAD_ATTRIBUTE(acquired_after(__VA_ARGS__))

// Of a function: which mutex the caller holds, or must not hold because the function takes it.
#define BARTIZAN_REQUIRES(...) BARTIZAN_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define BARTIZAN_EXCLUDES(...) BARTIZAN_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define BARTIZAN_ACQUIRE(...) BARTIZAN_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define BARTIZAN_RELEASE(...) BARTIZAN_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define BARTIZAN_ASSERT_CAPABILITY(...) BARTIZAN_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))
#define BARTIZAN_RETURN_CAPABILITY(x) BARTIZAN_THREAD_ATTRIBUTE(lock_returned(x))
