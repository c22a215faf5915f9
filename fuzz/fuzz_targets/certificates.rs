//! Certificates and lists of them, in PEM and DER.
#![no_main]
use bglssl_fuzz::*;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // SAFETY: the lengths are the slice's; each handle is freed once.
    unsafe {
        for format in [0, 1, 2] {
            let certificate = bgl_ssl_certificate_from_mem(data.as_ptr(), data.len(), format);
            if !certificate.is_null() {
                examine(certificate);
            }
            bgl_ssl_certificate_free(certificate);
        }
        let list = bgl_ssl_certificate_list_from_mem(data.as_ptr(), data.len());
        if !list.is_null() {
            for index in 0..bgl_ssl_certificate_list_length(list).min(20) {
                let certificate = bgl_ssl_certificate_list_get(list, index);
                examine(certificate);
                bgl_ssl_certificate_free(certificate);
            }
        }
        bgl_ssl_certificate_list_free(list);
    }
});
