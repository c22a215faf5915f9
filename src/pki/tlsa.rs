//! TLSA records as DNS tools write them (RFC 6698, section 2.2): "3 1 1 HEX".

use crate::{
    error::{Error, Result},
    ossl::verify::dane::Record,
};

/// The most bytes of a record, those of a large certificate.
const MAX_DATA: usize = 16 * 1024;

/// Reads a record, and fails for one that OpenSSL cannot use.
pub fn parse(text: &str) -> Result<Record> {
    let record = fields(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Error::argument(format!("\"{}\" is no TLSA record such as \"3 1 1 HEX\"", shown.escape_debug()))
    })?;
    record.check()?;
    Ok(record)
}

fn fields(text: &str) -> Option<Record> {
    let mut fields = text.split_ascii_whitespace();
    let mut number = || {
        let digits =
            fields.next().filter(|field| field.len() <= 3 && field.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u8>().ok()
    };
    let (usage, selector, matching) = (number()?, number()?, number()?);
    // Tools break long data into several words.
    let hex: Vec<u8> = fields.flat_map(str::bytes).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let data = hex.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    (!data.is_empty() && data.len() <= MAX_DATA).then_some(Record { usage, selector, matching, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_three_numbers_and_hexadecimal_digits() {
        let digest = "ab".repeat(32);
        let record = fields(&format!("3 1 1 {digest}"));
        assert_eq!(record, Some(Record { usage: 3, selector: 1, matching: 1, data: vec![0xab; 32] }));
        let (one, other) = digest.split_at(31);
        assert_eq!(fields(&format!(" 3  1 1\t{one} {other} ")), record);
        for text in ["", "3", "3 1 1", "3 1 1 a", "3 1 1 xy", "3 1 256 ab", "-3 1 1 ab", "3,1,1 ab", "+3 1 1 ab"] {
            assert_eq!(fields(text), None, "{text}");
        }
    }
}
