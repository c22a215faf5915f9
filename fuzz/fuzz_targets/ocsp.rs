//! OCSP responses, as responders send them and servers staple them.
#![no_main]
use bglssl_fuzz::*;
use std::{ffi::c_void, ptr, sync::OnceLock};

unsafe extern "C" {
    fn bgl_ssl_ocsp_status(
        data: *const c_void,
        len: usize,
        certificate: Handle,
        issuer: Handle,
        until: *mut i64,
    ) -> i32;
    fn bgl_ssl_config_set_staple(config: Handle, response: *const c_void, len: usize) -> i32;
}

const GOOD: i32 = 0;

struct Place {
    good: usize,
    root: usize,
}

fn certificate(file: &str) -> usize {
    let pem = pki(file);
    // SAFETY: the length is the vector's.
    unsafe { bgl_ssl_certificate_from_mem(pem.as_ptr(), pem.len(), 0) as usize }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let place = PLACE.get_or_init(|| Place { good: certificate("good.pem"), root: certificate("root.pem") });
    // SAFETY: the lengths are the slice's; the certificates live as long as the process.
    unsafe {
        for certificate in [place.good, place.root] {
            let mut until = 0;
            let status = bgl_ssl_ocsp_status(
                data.as_ptr().cast(),
                data.len(),
                certificate as Handle,
                place.root as Handle,
                &mut until,
            );
            assert!(status == GOOD || until == 0, "{status} until {until}");
        }
        bgl_ssl_ocsp_status(
            data.as_ptr().cast(),
            data.len(),
            place.good as Handle,
            place.root as Handle,
            ptr::null_mut(),
        );
        let config = bgl_ssl_config_new();
        bgl_ssl_config_set_staple(config, data.as_ptr().cast(), data.len());
        bgl_ssl_config_free(config);
    }
});
