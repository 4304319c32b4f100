//! Ids of events and tokens of pages: whatever is read as one is written as the same text again, and is
//! within limits.

use data_encoding::BASE64URL_NOPAD;

use crate::cursor::{StreamCursor, decode_page, encode_page, seal};
use crate::limits::{CURSOR_BYTES_MAX, KEY_BYTES_MAX, TABLE_BYTES_MAX};

/// The bytes as they come from a client, as what such a text holds, and as that with the right check.
pub fn cursor(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        comes_back(text);
    }
    comes_back(&BASE64URL_NOPAD.encode(bytes));
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    comes_back(&BASE64URL_NOPAD.encode(&sealed));
}

fn comes_back(text: &str) {
    if let Some(cursor) = StreamCursor::decode(text) {
        assert_eq!(cursor.encode().as_deref(), Some(text));
        assert!(text.len() <= CURSOR_BYTES_MAX);
        if let Some(name) = cursor.state_through {
            assert!(name.table().len() <= TABLE_BYTES_MAX && name.key().len() <= KEY_BYTES_MAX);
        }
    }
    if let Some(key) = decode_page(text) {
        assert_eq!(encode_page(&key), text);
        assert!(key.len() <= KEY_BYTES_MAX);
    }
}
