//! Ids of events, tokens of pages.
#![no_main]

dynarust_fuzz::target!(dynarust_core::fuzzing::cursor, 1 << 20);
