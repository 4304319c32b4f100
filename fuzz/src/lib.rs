//! What all targets share: [`target!`], which makes a property a libFuzzer program whose memory is
//! bounded.

pub mod bounded;

pub use libfuzzer_sys;

/// A program that holds inputs against `$property`, and ends where that takes more than `$bytes` of memory
/// at a time.
#[macro_export]
macro_rules! target {
    ($property:path, $bytes:expr) => {
        #[global_allocator]
        static MEMORY: $crate::bounded::Bounded = $crate::bounded::Bounded::new();

        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            MEMORY.within($bytes, || $property(bytes));
        });
    };
}
