//! Revocation lists, CAs, certificates and keys, as secure contexts take them.
#![no_main]
use bglssl_fuzz::*;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // SAFETY: the lengths are the slice's; each handle is freed once.
    unsafe {
        let ctx = bgl_ssl_ctx_init(c"default".as_ptr());
        bgl_ssl_ctx_add_crl(ctx, data.as_ptr(), 0, data.len());
        bgl_ssl_ctx_add_ca_cert(ctx, data.as_ptr(), 0, data.len());
        bgl_ssl_ctx_set_cert(ctx, data.as_ptr(), 0, data.len());
        bgl_ssl_ctx_set_key(ctx, data.as_ptr(), 0, data.len(), c"secret".as_ptr());
        bgl_ssl_connection_free(bgl_ssl_connection_init(ctx, true, true, std::ptr::null(), true));
        bgl_ssl_ctx_free(ctx);
    }
});
