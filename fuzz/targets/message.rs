//! Messages of the mesh.
#![no_main]

dynarust_fuzz::target!(dynarust_node::fuzzing::message, 24 << 20);
