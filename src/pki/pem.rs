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
    /// Binary, without lines.
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
        // A SEQUENCE of 128 bytes or more.
        [] if matches!(data, [0x30, 0x81..=0x84, ..]) => "it holds no PEM, and looks like DER".to_string(),
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
    lines(data).filter_map(label)
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    without_mark(data).split(|byte| matches!(byte, b'\n' | b'\r'))
}

/// The label, if this is a BEGIN line.
fn label(line: &[u8]) -> Option<Cow<'_, str>> {
    let label = line.strip_prefix(b"-----BEGIN ")?.trim_ascii_end().strip_suffix(b"-----")?;
    Some(String::from_utf8_lossy(label))
}

/// Fails for a text with an indented BEGIN line of what is wanted, which is no BEGIN line for OpenSSL: for texts of which
/// nothing may be left out.
pub fn check_indentation(wanted: &str, data: &[u8]) -> Result<()> {
    let is_indented = |line: &[u8]| {
        let rest = line.trim_ascii_start();
        rest.len() < line.len() && label(rest).is_some_and(|label| is_kind_of(&label, wanted))
    };
    match lines(data).any(is_indented) {
        true => Err(Error::new(Code::Config, format!("a {wanted} is damaged: its BEGIN line is indented"))),
        false => Ok(()),
    }
}

/// Fails for a text that ends within a BEGIN line, where OpenSSL would see the end and leave out an object that is wanted:
/// a "certificate", say.
pub fn check_lines(wanted: &str, data: &[u8]) -> Result<()> {
    const BEGIN: &[u8] = b"-----BEGIN";
    const DASHES: usize = 5;
    // Dashes alone may be an ornament.
    let begins = |line: &[u8]| line.starts_with(BEGIN) || (line.len() > DASHES && BEGIN.starts_with(line));
    let end = data.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
    let lines = data.get(..end).unwrap_or_default().rsplit(|byte| matches!(byte, b'\n' | b'\r'));
    match lines.take(1).any(|line| begins(line) && !line.ends_with(b"-----")) {
        true => Err(Error::new(Code::Config, format!("a {wanted} is damaged: its BEGIN line is cut off"))),
        false => Ok(()),
    }
}

fn contains(data: &[u8], words: &[u8]) -> bool {
    data.windows(words.len()).any(|window| window == words)
}
