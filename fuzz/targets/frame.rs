//! Frames of the mesh.
#![no_main]

dynarust_fuzz::target!(dynarust_node::fuzzing::frame, 1 << 20);
