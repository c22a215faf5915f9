//! A server of the engine that gets a client hello in which everything is right but the extensions: names of servers,
//! application protocols, tickets.
#![no_main]
use bglssl_fuzz::*;
use std::{ptr, sync::OnceLock};

fn numbered(bytes: usize, content: &[u8]) -> Vec<u8> {
    let mut all = content.len().to_be_bytes()[8 - bytes..].to_vec();
    all.extend_from_slice(content);
    all
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut all = kind.to_be_bytes().to_vec();
    all.extend(numbered(2, content));
    all
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CONTEXT: OnceLock<usize> = OnceLock::new();
    let ctx = *CONTEXT.get_or_init(|| context() as usize) as Handle;
    if data.len() > 10000 {
        return;
    }
    let (how, rest) = first(data);
    let mut extensions = Vec::new();
    match how % 4 {
        // The name of a server.
        0 => extensions.extend(extension(0, &numbered(2, &[&[0][..], &numbered(2, rest)].concat()))),
        // Application protocols.
        1 => extensions.extend(extension(16, &numbered(2, rest))),
        // A name, and what else there may be.
        2 => {
            extensions.extend(extension(0, &numbered(2, &[&[0][..], &numbered(2, b"localhost")].concat())));
            extensions.extend_from_slice(rest);
        }
        _ => extensions.extend_from_slice(rest),
    }
    extensions.extend(extension(10, &numbered(2, &[0, 29, 0, 23])));
    extensions.extend(extension(13, &numbered(2, &[4, 3, 8, 4, 4, 1])));
    let body = [
        &[3, 3][..],
        &[42; 32],
        &[0],
        &numbered(2, &[0xc0, 0x2b, 0xc0, 0x2f, 0x13, 0x01]),
        &[1, 0],
        &numbered(2, &extensions),
    ]
    .concat();
    let message = [&[1][..], &numbered(3, &body)].concat();
    let record = [&[22, 3, 1][..], &numbered(2, &message)].concat();
    let protocols = b"\x02h2\x08http/1.1";
    let mut buffer = vec![0; 20000];
    // SAFETY: the lengths are the slices'; the handle is freed once.
    unsafe {
        let server = bgl_ssl_connection_init(ctx, true, how & 4 != 0, ptr::null(), false);
        bgl_ssl_connection_set_npn_protos(server, protocols.as_ptr(), protocols.len());
        if how & 8 != 0 {
            bgl_ssl_connection_want_events(server, 2 | 16);
        }
        bgl_ssl_connection_write(server, record.as_ptr(), 0, record.len());
        bgl_ssl_connection_start(server);
        bgl_ssl_connection_next_event(server);
        question(server);
        bgl_ssl_connection_answer_server_name(server, ctx, how & 16 != 0);
        bgl_ssl_connection_start(server);
        bgl_ssl_connection_read(server, buffer.as_mut_ptr(), 0, buffer.len());
        question(server);
        bgl_ssl_connection_free(server);
    }
});
