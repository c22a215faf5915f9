//! Two connections of the engine, between which some bytes are changed, left out, or said twice. What arrives in the
//! end is what was sent, or a beginning of it.
#![no_main]
use bglssl_fuzz::*;
use std::{ptr, sync::OnceLock};

struct Wire<'a> {
    changes: &'a [u8],
}

impl Wire<'_> {
    fn carry(&mut self, from: Handle, to: Handle) -> bool {
        let mut buffer = vec![0; 40000];
        // SAFETY: the buffer has this space; the handles are live.
        let len = unsafe { bgl_ssl_connection_read(from, buffer.as_mut_ptr(), 0, buffer.len()) };
        let Ok(len @ 1..) = usize::try_from(len) else { return false };
        buffer.truncate(len);
        if let [what, place, value, rest @ ..] = self.changes {
            self.changes = rest;
            let place = usize::from(*place) * len / 256;
            match what % 8 {
                0 => buffer[place] ^= value,
                1 => buffer.truncate(place),
                2 => buffer.insert(place, *value),
                3 => buffer.extend_from_within(place..),
                4 => drop(buffer.remove(place)),
                _ => {}
            }
        }
        // SAFETY: the length is the vector's.
        unsafe { bgl_ssl_connection_write(to, buffer.as_ptr(), 0, buffer.len()) };
        true
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CONTEXT: OnceLock<usize> = OnceLock::new();
    let ctx = *CONTEXT.get_or_init(|| context() as usize) as Handle;
    let (how, data) = first(data);
    let mut wire = Wire { changes: data };
    let sent: Vec<u8> = (0..3000).map(|n| (n * 7 / 3) as u8).collect();
    let mut arrived = vec![0; 4000];
    let mut total = 0;
    // SAFETY: the lengths are the slices'; each handle is freed once.
    unsafe {
        let client = bgl_ssl_connection_init(ctx, false, false, c"localhost".as_ptr(), false);
        let server = bgl_ssl_connection_init(ctx, true, how & 1 != 0, ptr::null(), how & 2 != 0);
        bgl_ssl_connection_set_hostname(client, c"localhost".as_ptr());
        for _ in 0..8 {
            bgl_ssl_connection_start(client);
            let out = wire.carry(client, server);
            bgl_ssl_connection_start(server);
            if !wire.carry(server, client) && !out {
                break;
            }
        }
        bgl_ssl_connection_clear_in(client, sent.as_ptr(), 0, sent.len());
        for _ in 0..4 {
            wire.carry(client, server);
            let len = bgl_ssl_connection_clear_out(server, arrived.as_mut_ptr(), total, arrived.len() - total);
            total += usize::try_from(len).unwrap_or(0);
        }
        assert!(sent.starts_with(&arrived[..total]), "other bytes than were sent");
        question(client);
        question(server);
        bgl_ssl_connection_free(client);
        bgl_ssl_connection_free(server);
    }
});
