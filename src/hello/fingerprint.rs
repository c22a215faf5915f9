//! JA4: what distinguishes one client's software from another's, whatever the order of its extensions
//! (https://github.com/FoxIO-LLC/ja4, technical details of JA4: TLS client fingerprinting).

use super::message::Hello;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// Makes a list into 12 characters.
pub type Digest<E> = dyn Fn(&str) -> Result<String, E>;

/// The fingerprint, whose lists `digest` makes into 12 characters each; with the lists themselves in their place where
/// there is none ("JA4_r").
pub fn ja4<E>(hello: &Hello, digest: Option<&Digest<E>>) -> Result<String, E> {
    let ciphers: Vec<u16> = hello.ciphers.iter().copied().filter(|number| !is_grease(*number)).collect();
    let extensions: Vec<u16> = hello.extensions.iter().copied().filter(|number| !is_grease(*number)).collect();
    let first = format!(
        "{}{}{}{:02}{:02}{}",
        if hello.datagrams { 'd' } else { 't' },
        version(hello),
        if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
        alpn(hello)
    );
    let counted: Vec<u16> = extensions.into_iter().filter(|kind| !matches!(*kind, SERVER_NAME | ALPN)).collect();
    let mut second = list(sorted(counted));
    let signatures: Vec<u16> =
        hello.signature_algorithms.iter().copied().filter(|number| !is_grease(*number)).collect();
    if !signatures.is_empty() {
        second = format!("{second}_{}", list(signatures));
    }
    let shown = |text: String| match digest {
        Some(_) if text.is_empty() => Ok("000000000000".to_string()),
        Some(digest) => digest(&text),
        None => Ok(text),
    };
    Ok(format!("{first}_{}_{}", shown(list(sorted(ciphers)))?, shown(second)?))
}

/// Numbers that clients send so that servers learn to pass over what they do not know (RFC 8701).
pub fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// The highest version.
fn version(hello: &Hello) -> &'static str {
    let versions = hello.versions.iter().copied().filter(|number| !is_grease(*number));
    // The numbers of DTLS are the complement of those of its versions.
    let highest = if hello.datagrams { versions.min() } else { versions.max() };
    match highest.unwrap_or(hello.legacy_version) {
        0x304 => "13",
        0x303 => "12",
        0x302 => "11",
        0x301 => "10",
        0x300 => "s3",
        2 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// The first and last character of the first protocol; of its hexadecimal where one of them is neither letter nor digit.
fn alpn(hello: &Hello) -> String {
    let Some((first, last)) = hello.alpn.first().and_then(|name| name.first().zip(name.last())) else {
        return "00".to_string();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    let (first, last) = (format!("{first:02x}"), format!("{last:02x}"));
    first.chars().take(1).chain(last.chars().skip(1)).collect()
}

fn sorted(mut numbers: Vec<u16>) -> Vec<u16> {
    numbers.sort_unstable();
    numbers
}

fn list(numbers: Vec<u16>) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of JA4's description.
    fn example() -> Hello {
        Hello {
            legacy_version: 0x303,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0x3a3a, 0x304, 0x303],
            ciphers: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
                0x9c, 0x9d, 0x2f, 0x35,
            ],
            signature_algorithms: vec![0x403, 0x804, 0x401, 0x503, 0x805, 0x501, 0x806, 0x601],
            extensions: vec![
                0x5a5a, 0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa, 0x15,
            ],
            ..Hello::default()
        }
    }

    #[test]
    fn the_description_s_example_has_its_lists() {
        let text: Result<String, ()> = ja4(&example(), None);
        assert_eq!(
            text.unwrap(),
            "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
             0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
             0403,0804,0401,0503,0805,0501,0806,0601"
        );
    }

    #[test]
    fn a_bare_hello_has_a_fingerprint() {
        let hello = Hello { datagrams: true, legacy_version: 0xfefd, ..Hello::default() };
        let text: Result<String, ()> = ja4(&hello, Some(&|_| Err(())));
        assert_eq!(text.unwrap(), "dd2i000000_000000000000_000000000000");
    }

    #[test]
    fn a_protocol_that_is_no_text_is_shown_in_hexadecimal() {
        let hello = Hello { alpn: vec![vec![0xab, 0xcd]], ..Hello::default() };
        assert_eq!(alpn(&hello), "ad");
    }

    #[test]
    fn grease_is_what_rfc_8701_lists() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301) && !is_grease(0));
    }
}
