//! Files with the keys of tickets, as nginx and haproxy have them.
#![no_main]
use bglssl_fuzz::*;
use std::ffi::c_char;

unsafe extern "C" {
    fn bgl_ssl_ticket_keys_new(period: i64) -> Handle;
    fn bgl_ssl_ticket_keys_add_file(keys: Handle, file: *const c_char) -> i32;
    fn bgl_ssl_ticket_keys_free(keys: Handle);
    fn bgl_ssl_config_set_ticket_keys(config: Handle, keys: Handle) -> i32;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let file = MemoryFile::new(data);
    // SAFETY: the handles are freed once.
    unsafe {
        let keys = bgl_ssl_ticket_keys_new(0);
        let status = bgl_ssl_ticket_keys_add_file(keys, file.path().as_ptr());
        let config = bgl_ssl_config_new();
        assert_eq!(bgl_ssl_config_set_ticket_keys(config, keys), 0);
        assert!(status == 0 || status == E_CONFIG, "{status}");
        // Of nginx's files the length says all.
        assert!(status == 0 || !matches!(data.len(), 48 | 80), "a key was refused");
        bgl_ssl_ticket_keys_free(keys);
        bgl_ssl_config_free(config);
    }
});
