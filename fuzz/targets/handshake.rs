//! The handshake, in both roles, and with somebody in the middle.
#![no_main]

dynarust_fuzz::target!(dynarust_node::fuzzing::handshake, 4 << 20);
