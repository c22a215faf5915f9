//! TLSA records, as DNS tools print them.
#![no_main]
use bglssl_fuzz::*;
use std::ffi::c_char;

unsafe extern "C" {
    fn bgl_ssl_config_add_tlsa(config: Handle, record: *const c_char) -> i32;
    fn bgl_ssl_config_freeze(config: Handle) -> i32;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // SAFETY: the handle is freed once.
    unsafe {
        let config = bgl_ssl_config_new();
        let mut added = 0;
        for record in data.split(|byte| *byte == 0) {
            let status = bgl_ssl_config_add_tlsa(config, text(record).as_ptr());
            assert!(status == 0 || status == E_ARGUMENT, "{status}");
            added += usize::from(status == 0);
        }
        assert_eq!(bgl_ssl_config_freeze(config), 0, "records were taken that cannot be used: {added}");
        bgl_ssl_config_free(config);
    }
});
