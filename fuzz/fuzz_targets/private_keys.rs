//! Private keys in PEM and DER, plain and encrypted with the passphrase "secret".
#![no_main]
use bglssl_fuzz::*;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // SAFETY: the lengths are the slice's; each handle is freed once.
    unsafe {
        for format in [0, 1, 2] {
            let key = bgl_ssl_private_key_from_mem(data.as_ptr(), data.len(), format, c"secret".as_ptr());
            assert!(key.is_null() || bgl_ssl_private_key_equal(key, key), "a key is not its own equal");
            bgl_ssl_private_key_free(key);
        }
    }
});
