//! PKCS#12 with the passphrase "secret".
#![no_main]
use bglssl_fuzz::*;
use std::ptr;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (mut key, mut certificate, mut chain) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the lengths are the slice's; each handle is freed once.
    unsafe {
        let pass = c"secret".as_ptr();
        let status =
            bgl_ssl_pkcs12_from_mem(data.as_ptr(), data.len(), pass, &mut key, &mut certificate, &mut chain);
        if status != 0 {
            assert!(key.is_null() && certificate.is_null() && chain.is_null(), "a failure hands out handles");
        }
        if !certificate.is_null() {
            examine(certificate);
        }
        bgl_ssl_private_key_free(key);
        bgl_ssl_certificate_free(certificate);
        bgl_ssl_certificate_list_free(chain);
        let ctx = bgl_ssl_ctx_init(c"default".as_ptr());
        bgl_load_pkcs12(ctx, data.as_ptr(), data.len(), pass);
        bgl_ssl_ctx_free(ctx);
    }
});
