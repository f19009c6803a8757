//! Faults of the process: full, damaged, unreadable.
