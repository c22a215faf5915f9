//! CONNECT (RFC 9110, section 9.3.6): a connection through a proxy of HTTP.

use crate::{
    error::{Code, Error, Result},
    ossl::base64,
};

use super::{Proxy, Target, closed, quoted, refused};

/// How many bytes an answer may have before its empty line.
const LONGEST_HEADER: usize = 64 * 1024;

/// What the proxy is asked.
pub fn request(proxy: &Proxy, target: &Target) -> Result<Vec<u8>> {
    let host_port = target.host_port();
    if !host_port.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte)) {
        return Err(Error::argument(format!(
            "\"{}\" cannot be sent to a proxy as a host",
            host_port.escape_debug()
        )));
    }
    let mut request = format!("CONNECT {host_port} HTTP/1.1\r\nHost: {host_port}\r\n").into_bytes();
    if let Some(credentials) = &proxy.credentials {
        let text = [credentials.user.as_slice(), b":", &credentials.password].concat();
        request.extend_from_slice(b"Proxy-Authorization: Basic ");
        request.extend_from_slice(base64::encode(&text).as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    Ok(request)
}

/// The answer, as far as it has come.
#[derive(Default)]
pub struct Answer {
    header: Vec<u8>,
    /// How many bytes have come, those of interim answers included.
    total: usize,
    /// How far the header's end has been looked for.
    searched: usize,
}

impl Answer {
    /// Takes in more of it. Whether it is whole, and how many bytes there are behind it.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(bool, usize)> {
        self.header.extend_from_slice(bytes);
        self.total += bytes.len();
        if !is_beginning_of_http(&self.header) {
            let message =
                format!("it does not speak HTTP: its answer begins with {}", quoted(first(&self.header, 40)));
            return Err(Error::new(Code::Protocol, message));
        }
        while let Some(end) = self.find_end() {
            let rest = self.header.split_off(end);
            let header = std::mem::replace(&mut self.header, rest);
            self.searched = 0;
            match status(&header)? {
                // An interim answer: another one follows.
                100..=199 => {}
                200..=299 => return Ok((true, self.header.len())),
                number => return Err(refusal(number, &header)),
            }
        }
        if self.total > LONGEST_HEADER {
            let message = format!("the header of its answer has more than {LONGEST_HEADER} bytes");
            return Err(Error::new(Code::Protocol, message));
        }
        Ok((false, 0))
    }

    /// Where the header's empty line ends, if it has come.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(at) = self.header.get(self.searched..)?.iter().position(|byte| *byte == b'\n') {
            let end = self.searched + at + 1;
            let behind = self.header.get(end..)?;
            if behind.starts_with(b"\n") {
                return Some(end + 1);
            }
            if behind.starts_with(b"\r\n") {
                return Some(end + 2);
            }
            if behind.is_empty() || behind == b"\r" {
                return None;
            }
            self.searched = end;
        }
        self.searched = self.header.len();
        None
    }

    /// The proxy says nothing more.
    pub fn ended(&self) -> Error {
        if self.header.is_empty() {
            return closed();
        }
        let line = quoted(lines(&self.header).next().unwrap_or_default());
        Error {
            sys_errno: libc::ECONNRESET,
            ..Error::new(Code::Io, format!("it has closed the connection in its answer, {line}"))
        }
    }
}

fn first(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

fn is_beginning_of_http(bytes: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.";
    let length = bytes.len().min(VERSION.len());
    bytes.get(..length) == VERSION.get(..length)
}

fn lines(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The number in "HTTP/1.1 200 Connection established".
fn status(header: &[u8]) -> Result<u16> {
    let line = lines(header).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    let number = words.next().and_then(|word| std::str::from_utf8(word).ok());
    number
        .filter(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|word| word.parse().ok())
        .filter(|number| *number >= 100)
        .ok_or_else(|| {
            Error::new(Code::Protocol, format!("its answer begins with {}, which is no status line", quoted(line)))
        })
}

fn refusal(number: u16, header: &[u8]) -> Error {
    let line = quoted(lines(header).next().unwrap_or_default());
    let wanted = lines(header).filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        name.eq_ignore_ascii_case(b"Proxy-Authenticate").then(|| quoted(value.get(1..).unwrap_or_default()))
    });
    let wanted: Vec<String> = wanted.take(4).collect();
    let mut message = format!("it refuses: {line}");
    if number == 407 && !wanted.is_empty() {
        message.push_str(&format!("; it asks for {}", wanted.join(", ")));
    }
    let errno = match number {
        401 | 403 | 407 => libc::EACCES,
        504 => libc::ETIMEDOUT,
        _ => libc::ECONNREFUSED,
    };
    refused(errno, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &[u8]) -> Result<(bool, usize)> {
        Answer::default().add(text)
    }

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        let texts: [(&[u8], usize); 4] = [
            (b"HTTP/1.1 200 Connection established\r\n\r\n", 0),
            (b"HTTP/1.0 200\n\n", 0),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nab", 2),
            (b"HTTP/1.1 299 \r\nA: b\n\r\n", 0),
        ];
        for (text, behind) in texts {
            assert_eq!(answer(text).unwrap(), (true, behind));
            let mut cut = Answer::default();
            for byte in &text[..text.len() - behind - 1] {
                assert_eq!(cut.add(&[*byte]).unwrap(), (false, 0));
            }
            assert_eq!(cut.add(&text[text.len() - behind - 1..]).unwrap(), (true, behind));
        }
    }

    #[test]
    fn refusals_are_quoted() {
        let message = |text: &[u8]| answer(text).unwrap_err().message;
        assert_eq!(message(b"HTTP/1.1 403 Not here\r\nA: b\r\n\r\n"), "it refuses: \"HTTP/1.1 403 Not here\"");
        let asks =
            b"HTTP/1.1 407 Auth\r\nproxy-authenticate: Basic realm=\"a\"\r\nProxy-Authenticate: Negotiate\r\n\r\n";
        assert_eq!(
            message(asks),
            "it refuses: \"HTTP/1.1 407 Auth\"; it asks for \"Basic realm=\\\"a\\\"\", \"Negotiate\""
        );
        assert!(message(b"SSH-2.0-x\r\n").contains("does not speak HTTP"));
        assert!(message(b"HTTP/1.1 20x OK\r\n\r\n").contains("no status line"));
        assert!(message(b"HTTP/1.1 2000 OK\r\n\r\n").contains("no status line"));
        assert!(message(&[b"HTTP/1.1 200 ", [b'x'; LONGEST_HEADER].as_slice()].concat()).contains("more than"));
        // What it says cannot change the terminal or begin a line.
        assert!(!message(b"HTTP/1.1 500 a\x1b[31mb\0c\rd\r\n\r\n").chars().any(char::is_control));
    }

    #[test]
    fn credentials_are_encoded() {
        let proxy = Proxy::parse("http://Aladdin:open%20sesame@h").unwrap();
        let target = Target { host: "::1".into(), port: 443 };
        assert_eq!(
            String::from_utf8(request(&proxy, &target).unwrap()).unwrap(),
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        let bad = Target { host: "a\r\nb".into(), port: 1 };
        assert_eq!(request(&proxy, &bad).unwrap_err().code, Code::Argument);
    }
}
