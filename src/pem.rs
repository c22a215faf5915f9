//! PEM or DER? And what a PEM text holds instead, where people mix files up.

use crate::{
    error::{Code, Error, Result},
    ossl::pkcs12,
};
use std::borrow::Cow;

/// What every certificate and key in DER begins with.
const DER_SEQUENCE: u8 = 0x30;

/// How certificates and keys are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// DER if it begins as DER does and has no PEM line, else PEM.
    Auto,
    /// Text: base64 between BEGIN and END lines.
    Pem,
    /// Binary.
    Der,
}

impl Format {
    /// The format of a number of the C API.
    pub fn from_number(number: i32) -> Result<Format> {
        match number {
            0 => Ok(Format::Auto),
            1 => Ok(Format::Pem),
            2 => Ok(Format::Der),
            _ => Err(Error::argument(format!("no format has the number {number}"))),
        }
    }

    /// Whether `data` is to be read as PEM.
    pub fn is_pem(self, data: &[u8]) -> bool {
        match self {
            Format::Auto => data.first() != Some(&DER_SEQUENCE) || contains(data, b"-----BEGIN "),
            Format::Pem => true,
            Format::Der => false,
        }
    }
}

/// The text behind the byte order mark that some editors put in front, and that not every OpenSSL passes over.
pub fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}

/// What went wrong with `data`, which was read as something else: a PKCS#12 is called by its name.
pub fn unless_pkcs12(error: Error, data: &[u8]) -> Error {
    if error.code != Code::Config || !pkcs12::is_pkcs12(data) {
        return error;
    }
    let message = "this is PKCS#12, which only bgl_ssl_pkcs12_from_file and Scheme's :format 'pkcs12 read";
    Error { message: message.to_string(), ..error }
}

/// How many different labels a message names.
const NAMED: usize = 8;

/// The error for PEM data without what was wanted ("certificate"), which says what it holds instead.
pub fn lacks(wanted: &str, data: &[u8]) -> Error {
    Error::new(Code::Config, format!("no {wanted} found: {}", what_it_is(wanted, data)))
}

fn what_it_is(wanted: &str, data: &[u8]) -> String {
    let mut holds: Vec<String> = Vec::new();
    for label in labels(data) {
        if is_kind_of(&label, wanted) {
            return "it is damaged".to_string();
        }
        // Files of odd sizes may hold hundreds of thousands.
        if holds.len() < NAMED && !holds.iter().any(|known| *known == label) {
            holds.push(label.into_owned());
        }
    }
    match holds.as_slice() {
        [] if data.is_empty() => "it is empty".to_string(),
        [] => "it holds no PEM".to_string(),
        labels => format!("it holds: {}", labels.join(", ")),
    }
}

/// Whether a label is that of what is wanted, such as "RSA PRIVATE KEY" of a private key. A "CERTIFICATE REQUEST" is no
/// certificate, and OpenSSH's private keys are none of OpenSSL's.
fn is_kind_of(label: &str, wanted: &str) -> bool {
    label.ends_with(&wanted.to_uppercase()) && !label.starts_with("OPENSSH ")
}

/// The labels of the BEGIN lines.
fn labels(data: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    without_mark(data).split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| {
        let label = line.strip_prefix(b"-----BEGIN ")?.trim_ascii_end().strip_suffix(b"-----")?;
        Some(String::from_utf8_lossy(label))
    })
}

/// Whether a BEGIN line is cut off: OpenSSL would take the object for the end of the text.
pub fn has_cut_line(data: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN";
    let mut lines = data.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.starts_with(BEGIN) && !line.trim_ascii_end().ends_with(b"-----"))
}

fn contains(data: &[u8], words: &[u8]) -> bool {
    data.windows(words.len()).any(|window| window == words)
}
