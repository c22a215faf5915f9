//! The parser of client hellos in datagrams, which is all that a DTLS server reads before it remembers a client.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/server/datagram/hello.rs"]
mod hello;

use hello::{COOKIE_LENGTH, Hello, verify_request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    Hello::is_continued_by(data);
    if let Some(hello) = Hello::parse(data) {
        assert!(hello.cookie.len() < data.len() && hello.rest.len() < data.len());
        hello.parameters();
        let answer = verify_request(hello.sequence, &[7; COOKIE_LENGTH]);
        assert!(answer.len() <= data.len().max(60), "the answer is longer than the question: {}", answer.len());
    }
});
