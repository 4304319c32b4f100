//! Records of 50 words of lorem ipsum, about 340 bytes of text: the work that the field quotes.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

const WORDS_PER_RECORD: usize = 50;
const WORDS: [&str; 40] = [
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "adipiscing",
    "elit",
    "sed",
    "do",
    "eiusmod",
    "tempor",
    "incididunt",
    "ut",
    "labore",
    "et",
    "dolore",
    "magna",
    "aliqua",
    "enim",
    "minim",
    "veniam",
    "quis",
    "nostrud",
    "exercitation",
    "ullamco",
    "laboris",
    "nisi",
    "aliquip",
    "commodo",
    "consequat",
    "duis",
    "aute",
    "irure",
    "reprehenderit",
    "voluptate",
    "velit",
    "esse",
    "cillum",
    "fugiat",
];

/// Appends a JSON string of random words.
pub fn push_text(dice: &mut SmallRng, text: &mut Vec<u8>) {
    text.push(b'"');
    for word in 0..WORDS_PER_RECORD {
        if word > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(WORDS.choose(dice).unwrap_or(&"lorem").as_bytes());
    }
    text.push(b'"');
}
