//! Ticket keys as other servers keep them in files.

use crate::ossl::{base64, cleanse, session::rules::TicketKey};

/// The order of what is behind the name of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In 48 bytes the cipher's key and that of the HMAC, in 80 bytes the other way round.
    Nginx,
    /// The cipher's key and that of the HMAC.
    Haproxy,
}

/// The key that bytes are: of 48 the name, that of AES-128 and that of the HMAC, of 16 bytes each; of 80 the name, of 16
/// bytes, and those of AES-256 and of the HMAC, of 32 bytes each.
pub fn key(bytes: &[u8], order: Order) -> Option<TicketKey> {
    let mut key = TicketKey { name: [0; 16], mac: [0; 32], cipher: [0; 32], is_aes_128: bytes.len() == 48 };
    let (name, rest) = bytes.split_at_checked(16)?;
    let (first, second) = rest.split_at(rest.len() / 2);
    let (cipher, mac) = match rest.len() {
        64 if order == Order::Nginx => (second, first),
        32 | 64 => (first, second),
        _ => return None,
    };
    // HMAC makes no difference between a short key and one with zeros behind it.
    for (to, from) in [(&mut key.name[..], name), (&mut key.mac, mac), (&mut key.cipher, cipher)] {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    Some(key)
}

/// The keys of a file, the one that encrypts last: nginx's, which is one key, or haproxy's, with a key in base64 on each
/// line, the last but one of which encrypts.
pub fn keys(content: &[u8]) -> Option<Vec<TicketKey>> {
    match key(content, Order::Nginx) {
        Some(key) => Some(vec![key]),
        None => lines(content),
    }
}

fn lines(content: &[u8]) -> Option<Vec<TicketKey>> {
    let lines = std::str::from_utf8(content).ok()?.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut keys: Vec<TicketKey> = lines.map(decoded).collect::<Option<_>>()?;
    let len = keys.len();
    if len >= 2 {
        keys.swap(len - 2, len - 1);
    }
    (len > 0).then_some(keys)
}

fn decoded(line: &str) -> Option<TicketKey> {
    let mut bytes = base64::decode(line)?;
    let key = key(&bytes, Order::Haproxy);
    cleanse(&mut bytes);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: u8) -> Vec<u8> {
        (0..len).collect()
    }

    #[test]
    fn both_lengths_have_their_parts_in_the_order_of_their_program() {
        for order in [Order::Nginx, Order::Haproxy] {
            let short = key(&bytes(48), order).unwrap();
            assert_eq!((short.name[0], short.cipher[0], short.mac[0], short.is_aes_128), (0, 16, 32, true));
            assert_eq!((short.cipher[16], short.mac[16]), (0, 0));
        }
        let nginx = key(&bytes(80), Order::Nginx).unwrap();
        assert_eq!((nginx.name[0], nginx.mac[0], nginx.cipher[0], nginx.is_aes_128), (0, 16, 48, false));
        let haproxy = key(&bytes(80), Order::Haproxy).unwrap();
        assert_eq!((haproxy.name[0], haproxy.cipher[0], haproxy.mac[0], haproxy.is_aes_128), (0, 16, 48, false));
    }

    #[test]
    fn other_lengths_are_no_keys() {
        for len in [0, 16, 47, 49, 79, 81] {
            assert!(key(&bytes(len), Order::Nginx).is_none(), "{len}");
            assert!(keys(&bytes(len)).is_none(), "{len}");
        }
    }

    #[test]
    fn of_haproxy_s_lines_the_last_but_one_encrypts() {
        let line = |first: u8| base64::encode(&(first..first + 80).collect::<Vec<u8>>());
        let file = format!("{}\n{}\n\n{}\n", line(1), line(2), line(3));
        let names: Vec<u8> = keys(file.as_bytes()).unwrap().iter().map(|key| key.name[0]).collect();
        assert_eq!(names, [1, 3, 2]);
        assert!(keys(format!("{}\nAAAA\n", line(1)).as_bytes()).is_none());
        assert!(keys(b"\n\n").is_none());
    }
}
