//! The front door: any bytes on a connection.
#![no_main]

dynarust_fuzz::target!(dynarust_http::fuzzing::door, 96 << 20);
