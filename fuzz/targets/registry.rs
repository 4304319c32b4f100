//! Registries and notes.
#![no_main]

dynarust_fuzz::target!(dynarust_node::fuzzing::registry, 16 << 20);
