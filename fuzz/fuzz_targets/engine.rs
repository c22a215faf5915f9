//! A connection of the engine, of either role, that gets arbitrary bytes.
#![no_main]
use bglssl_fuzz::*;
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CONTEXT: OnceLock<usize> = OnceLock::new();
    let ctx = *CONTEXT.get_or_init(|| context() as usize) as Handle;
    let (how, mut data) = first(data);
    let (size, rest) = first(data);
    data = rest;
    let mut buffer = vec![0; 20000];
    // SAFETY: the lengths are the slices'; the handle is freed once.
    unsafe {
        let connection =
            bgl_ssl_connection_init(ctx, how & 1 != 0, how & 2 != 0, c"localhost".as_ptr(), how & 4 != 0);
        if how & 8 != 0 {
            bgl_ssl_connection_want_events(connection, 15);
        }
        if how & 16 != 0 {
            bgl_ssl_connection_set_session(connection, data.as_ptr(), data.len());
            bgl_ssl_connection_load_session(connection, data.as_ptr(), data.len());
        }
        for piece in data.chunks(usize::from(size) * 4 + 1) {
            bgl_ssl_connection_start(connection);
            bgl_ssl_connection_read(connection, buffer.as_mut_ptr(), 0, buffer.len());
            bgl_ssl_connection_write(connection, piece.as_ptr(), 0, piece.len());
            bgl_ssl_connection_clear_out(connection, buffer.as_mut_ptr(), 0, buffer.len());
            bgl_ssl_connection_clear_in(connection, piece.as_ptr(), 0, piece.len());
            bgl_ssl_connection_status(connection);
            bgl_ssl_connection_next_event(connection);
        }
        bgl_ssl_connection_start(connection);
        assert!(!bgl_ssl_connection_init_finishedp(connection), "a handshake with nobody");
        question(connection);
        bgl_ssl_connection_free(connection);
    }
});
