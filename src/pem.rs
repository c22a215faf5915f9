//! PEM or DER? And what a PEM text holds instead, where people mix files up.

use crate::error::{Code, Error, Result};

/// How certificates and keys are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PEM if there is a PEM line, else DER.
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
            Format::Auto => contains(data, b"-----BEGIN "),
            Format::Pem => true,
            Format::Der => false,
        }
    }
}

/// The text behind the byte order mark that some editors put in front, and that not every OpenSSL passes over.
pub fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}

/// The error for PEM data without what was wanted ("certificate"), which says what it holds instead.
pub fn lacks(wanted: &str, data: &[u8]) -> Error {
    let labels = labels(data);
    let holds = match labels.as_slice() {
        [] if data.is_empty() => "it is empty".to_string(),
        [] => "it holds no PEM".to_string(),
        labels if labels.iter().any(|label| is_kind_of(label, wanted)) => "it is damaged".to_string(),
        labels => format!("it holds: {}", labels.join(", ")),
    };
    Error::new(Code::Config, format!("no {wanted} found: {holds}"))
}

/// Whether a label is that of what is wanted, such as "RSA PRIVATE KEY" of a private key. A "CERTIFICATE REQUEST" is no
/// certificate, and OpenSSH's private keys are none of OpenSSL's.
fn is_kind_of(label: &str, wanted: &str) -> bool {
    label.ends_with(&wanted.to_uppercase()) && !label.starts_with("OPENSSH ")
}

/// The labels of the BEGIN lines, each once.
fn labels(data: &[u8]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for line in without_mark(data).split(|byte| matches!(byte, b'\n' | b'\r')) {
        let label = line.strip_prefix(b"-----BEGIN ").map(String::from_utf8_lossy);
        let label = label.as_deref().and_then(|label| label.trim_end().strip_suffix("-----"));
        if let Some(label) = label.filter(|label| !labels.iter().any(|known| known == label)) {
            labels.push(label.to_string());
        }
    }
    labels
}

fn contains(data: &[u8], words: &[u8]) -> bool {
    data.windows(words.len()).any(|window| window == words)
}
