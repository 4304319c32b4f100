//! The journal's segments.
#![no_main]

dynarust_fuzz::target!(dynarust_store::fuzzing::journal, 16 << 20);
