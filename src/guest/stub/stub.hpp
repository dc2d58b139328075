// The stub from its first C++ instruction to the kernel's first.
#pragma once

// Called by entry.S on the boot processor, with the page tables of the planner and a stack of one
// page.
extern "C" [[noreturn]] void stub_main();
