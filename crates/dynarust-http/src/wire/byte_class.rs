//! Which byte may stand where, in one table: every byte of a head is looked up in it.

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteClass(u8);

/// A token: a method, a header's name (RFC 9110 section 5.6.2).
pub(super) const TOKEN: ByteClass = ByteClass(1);
/// A target: what RFC 3986 allows, and the few more that browsers leave as they are in queries. No
/// fragment.
pub(super) const TARGET: ByteClass = ByteClass(2);
/// The name of a host (RFC 3986 section 3.2.2); a percent sign and its digits aside.
pub(super) const HOST: ByteClass = ByteClass(4);
/// What may stand in no line: all control characters but the tab.
pub(super) const CONTROL: ByteClass = ByteClass(8);

static CLASSES: [u8; 256] = classes();

impl ByteClass {
    #[inline]
    pub(super) fn has(self, byte: u8) -> bool {
        CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & self.0 != 0)
    }

    #[inline]
    pub(super) fn has_all(self, bytes: &[u8]) -> bool {
        bytes.iter().all(|&byte| self.has(byte))
    }
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        if let Some(class) = classes.split_at_mut(byte as usize).1.first_mut() {
            *class = class_of(byte);
        }
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}

const fn class_of(byte: u8) -> u8 {
    let token = byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
    let target = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'`');
    let host = byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
    let control = byte.is_ascii_control() && byte != b'\t';
    (token as u8 * TOKEN.0)
        | (target as u8 * TARGET.0)
        | (host as u8 * HOST.0)
        | (control as u8 * CONTROL.0)
}
