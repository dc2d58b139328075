bartizan_fuzz(statement_fuzz SOURCES statement_fuzz.cpp USES attest/evidence)
