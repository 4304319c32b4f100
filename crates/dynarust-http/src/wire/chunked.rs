//! A chunked body, checked as it passes (RFC 9112 section 7.1).

use dynarust_core::limits::{
    CHUNK_EXTENSIONS_BYTES_MAX, HEADER_NAME_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX,
};

use super::byte_class::{CONTROL, TOKEN};
use super::fault::Fault;

/// Digits of a chunk's size, zeros in front of it included.
const SIZE_DIGITS_MAX: u8 = 16;

/// Where in a chunked body one is.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    place: Place,
    /// The size as far as it was read, and then how much of the chunk is left.
    left: u64,
    size_digits: u8,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_fields: usize,
    name_bytes: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    /// White space, behind which there must be a semicolon.
    BeforeExtension,
    ExtensionStart,
    ExtensionName,
    BehindExtensionName,
    ExtensionValueStart,
    ExtensionValue,
    ExtensionQuoted,
    ExtensionEscaped,
    BehindQuoted,
    /// White space behind a value: there must be a semicolon.
    BehindExtension,
    SizeLineFeed,
    Data,
    DataCarriageReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    End,
}

impl Chunked {
    /// How many of these bytes belong to the body, and whether it ends behind them.
    ///
    /// # Errors
    /// The [`Fault`], and how many bytes before it were sound.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, Fault)> {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            if self.place == Place::Data {
                passed += self.pass_data(rest.len());
                continue;
            }
            let Some(&byte) = rest.first() else { break };
            self.place = self.step(byte).map_err(|fault| (passed, fault))?;
            passed += 1;
            if self.place == Place::End {
                return Ok((passed, true));
            }
        }
        Ok((passed, false))
    }

    fn pass_data(&mut self, bytes: usize) -> usize {
        let part = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes);
        self.left -= part as u64;
        if self.left == 0 {
            self.place = Place::DataCarriageReturn;
        }
        part
    }

    fn step(&mut self, byte: u8) -> Result<Place, Fault> {
        match self.place {
            Place::Size => self.step_size(byte),
            Place::SizeLineFeed => self.begin_chunk(byte),
            Place::DataCarriageReturn if byte == b'\r' => Ok(Place::DataLineFeed),
            Place::DataLineFeed if byte == b'\n' => Ok(Place::Size),
            Place::Data | Place::DataCarriageReturn | Place::DataLineFeed => Err(Fault::ChunkEnd),
            Place::TrailerStart
            | Place::TrailerName
            | Place::TrailerValue
            | Place::TrailerLineFeed
            | Place::EndLineFeed
            | Place::End => self.step_trailer(byte),
            _ => self.step_extension(byte),
        }
    }

    fn step_size(&mut self, byte: u8) -> Result<Place, Fault> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.size_digits += 1;
            if self.size_digits > SIZE_DIGITS_MAX {
                return Err(Fault::ChunkSize);
            }
            self.left = (self.left << 4) | u64::from(digit);
            return Ok(Place::Size);
        }
        match byte {
            _ if self.size_digits == 0 => Err(Fault::ChunkSize),
            b'\r' => Ok(Place::SizeLineFeed),
            b';' => Ok(Place::ExtensionStart),
            b' ' | b'\t' => Ok(Place::BeforeExtension),
            _ => Err(Fault::ChunkSize),
        }
    }

    fn begin_chunk(&mut self, byte: u8) -> Result<Place, Fault> {
        if byte != b'\n' {
            return Err(Fault::ChunkSize);
        }
        self.size_digits = 0;
        Ok(if self.left == 0 { Place::TrailerStart } else { Place::Data })
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`
    fn step_extension(&mut self, byte: u8) -> Result<Place, Fault> {
        self.extension_bytes += 1;
        if self.extension_bytes > CHUNK_EXTENSIONS_BYTES_MAX {
            return Err(Fault::ChunkExtension);
        }
        let blank = matches!(byte, b' ' | b'\t');
        let token = TOKEN.has(byte);
        Ok(match (self.place, byte) {
            (Place::BeforeExtension | Place::ExtensionStart, _) if blank => self.place,
            (Place::ExtensionValueStart | Place::BehindExtensionName, _) if blank => self.place,
            (Place::BehindQuoted | Place::BehindExtension, _) if blank => Place::BehindExtension,
            (Place::BeforeExtension, b';') => Place::ExtensionStart,
            (Place::ExtensionStart | Place::ExtensionName, _) if token => Place::ExtensionName,
            (Place::ExtensionName, _) if blank => Place::BehindExtensionName,
            (Place::ExtensionName | Place::BehindExtensionName, b'=') => Place::ExtensionValueStart,
            (Place::ExtensionName | Place::BehindExtensionName, b';') => Place::ExtensionStart,
            (Place::ExtensionValue | Place::BehindQuoted, b';') => Place::ExtensionStart,
            (Place::BehindExtension, b';') => Place::ExtensionStart,
            (Place::ExtensionName | Place::ExtensionValue, b'\r') => Place::SizeLineFeed,
            (Place::BehindQuoted, b'\r') => Place::SizeLineFeed,
            (Place::ExtensionValueStart, b'"') => Place::ExtensionQuoted,
            (Place::ExtensionValueStart | Place::ExtensionValue, _) if token => {
                Place::ExtensionValue
            }
            (Place::ExtensionValue, _) if blank => Place::BehindExtension,
            (Place::ExtensionQuoted, b'"') => Place::BehindQuoted,
            (Place::ExtensionQuoted, b'\\') => Place::ExtensionEscaped,
            (Place::ExtensionQuoted | Place::ExtensionEscaped, _) if !CONTROL.has(byte) => {
                Place::ExtensionQuoted
            }
            _ => return Err(Fault::ChunkExtension),
        })
    }

    fn step_trailer(&mut self, byte: u8) -> Result<Place, Fault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Fault::Trailer);
        }
        Ok(match (self.place, byte) {
            (Place::TrailerStart, b'\r') => Place::EndLineFeed,
            (Place::EndLineFeed, b'\n') => Place::End,
            (Place::TrailerStart, _) if TOKEN.has(byte) => {
                self.trailer_fields += 1;
                self.name_bytes = 1;
                if self.trailer_fields > TRAILER_FIELDS_MAX {
                    return Err(Fault::Trailer);
                }
                Place::TrailerName
            }
            (Place::TrailerName, _) if TOKEN.has(byte) => {
                self.name_bytes += 1;
                if self.name_bytes > HEADER_NAME_BYTES_MAX {
                    return Err(Fault::Trailer);
                }
                Place::TrailerName
            }
            (Place::TrailerName, b':') => Place::TrailerValue,
            (Place::TrailerValue, b'\r') => Place::TrailerLineFeed,
            (Place::TrailerValue, _) if !CONTROL.has(byte) => Place::TrailerValue,
            (Place::TrailerLineFeed, b'\n') => Place::TrailerStart,
            _ => return Err(Fault::Trailer),
        })
    }
}
