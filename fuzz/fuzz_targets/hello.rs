//! The parser of client hellos, which servers with many names run on all that clients send; over streams and datagrams.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/hello/collector.rs"]
mod collector;
#[path = "../../src/hello/fingerprint.rs"]
mod fingerprint;
#[path = "../../src/hello/message.rs"]
mod message;

use collector::{Fragments, Progress, Records};
use fingerprint::ja4;
use message::Hello;

fn take_apart(message: Vec<u8>, datagrams: bool) {
    if let Ok(hello) = Hello::parse(message.clone(), datagrams) {
        assert_eq!(hello.raw, message);
        assert!(hello.server_name.as_ref().is_none_or(|name| !name.is_empty() && !name.contains('\0')));
        let _: Result<String, ()> = ja4(&hello, None);
        let _: Result<String, ()> = ja4(&hello, Some(&|_| Ok(String::new())));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else { return };
    match how % 4 {
        0 => take_apart(data.to_vec(), false),
        1 => take_apart(data.to_vec(), true),
        2 => {
            // In pieces it is the same as at once.
            let at_once = Records::default().add(data);
            let mut records = Records::default();
            let mut last = Progress::Incomplete;
            for piece in data.chunks(usize::from(how / 4) + 1) {
                last = records.add(piece);
                if last != Progress::Incomplete {
                    break;
                }
            }
            assert_eq!(last, at_once);
            if let Progress::Complete(message) = at_once {
                take_apart(message, false);
            }
        }
        _ => {
            let mut fragments = Fragments::default();
            for datagram in data.split(|byte| *byte == *how) {
                if let Progress::Complete(message) = fragments.add(datagram) {
                    take_apart(message, true);
                    break;
                }
            }
        }
    }
});
