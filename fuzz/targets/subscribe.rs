//! The parameters of a live stream.
#![no_main]

dynarust_fuzz::target!(dynarust_http::fuzzing::subscribe, 16 << 20);
