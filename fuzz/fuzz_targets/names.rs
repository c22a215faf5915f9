//! Host names, server names and application protocols, as programs give them.
#![no_main]
use bglssl_fuzz::*;
use std::{cell::OnceCell, ffi::CString};

thread_local!(static CONTEXT: OnceCell<Handle> = const { OnceCell::new() });

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let name = text(data);
    let protocols: Vec<CString> = data.split(|byte| *byte == 0).map(text).collect();
    let pointers: Vec<_> = protocols.iter().map(|protocol| protocol.as_ptr()).collect();
    let ctx = CONTEXT.with(|context| *context.get_or_init(context_of_process));
    // SAFETY: the texts end with NUL; each handle is freed once.
    unsafe {
        let config = bgl_ssl_config_new();
        let as_host = bgl_ssl_config_set_hostname(config, name.as_ptr());
        bgl_ssl_config_set_server_name(config, name.as_ptr());
        bgl_ssl_config_set_alpn(config, pointers.as_ptr(), pointers.len());
        bgl_ssl_config_free(config);
        let connection = bgl_ssl_connection_init(ctx, false, false, name.as_ptr(), false);
        if !connection.is_null() {
            let by_engine = bgl_ssl_connection_set_hostname(connection, name.as_ptr());
            assert!(name.is_empty() || (as_host == 0) == (by_engine == 0), "a name for one entry point only");
            bgl_ssl_connection_set_npn_protos(connection, data.as_ptr(), data.len());
            bgl_ssl_connection_start(connection);
            question(connection);
        }
        bgl_ssl_connection_free(connection);
    }
});

fn context_of_process() -> Handle {
    context()
}
