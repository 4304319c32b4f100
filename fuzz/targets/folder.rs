//! A node's folder.
#![no_main]

dynarust_fuzz::target!(dynarust_store::fuzzing::folder, 256 << 20);
