//! JSON patches and merge patches.
#![no_main]

dynarust_fuzz::target!(dynarust_core::fuzzing::patch, 8 << 20);
