//! A whole node, and a peer that is mad.
#![no_main]

dynarust_fuzz::target!(dynarust_node::fuzzing::peer, 64 << 20);
