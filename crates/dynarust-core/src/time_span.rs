//! Spans of time as people write them: `90s`, `15m`, `24h`, `7d`.

/// The seconds of a whole number and a unit; `None` where the text is no such thing, or too long a time
/// to count.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    // `parse` alone would let a sign pass.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, expected) in
            [("0s", 0), ("1s", 1), ("090s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)]
        {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn all_else_is_none() {
        for text in [
            "",
            "s",
            "90",
            "-1s",
            "+1s",
            "1.5h",
            "1 s",
            " 1s",
            "1S",
            "1ms",
            "1y",
            "1ß",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
