//! What proxies answer, over TCP on loopback; their URLs, and the hosts that need none.
#![no_main]
use bglssl_fuzz::*;
use std::{
    env,
    ffi::{CString, OsStr, c_char},
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    os::unix::ffi::OsStrExt,
    ptr,
    sync::OnceLock,
};

unsafe extern "C" {
    fn bgl_ssl_config_set_proxy(config: Handle, url: *const c_char, proxy_config: Handle) -> i32;
    fn bgl_ssl_connect_start(
        config: Handle,
        host: *const c_char,
        port: i32,
        family: i32,
        hostname: *const c_char,
        session: Handle,
    ) -> Handle;
    fn bgl_ssl_socket_handshake(socket: Handle) -> i32;
}

const URLS: [&str; 5] = [
    "http://127.0.0.1:",
    "http://u:p@127.0.0.1:",
    "socks5h://127.0.0.1:",
    "socks5h://u:p@127.0.0.1:",
    "socks5://u@127.0.0.1:",
];

struct Place {
    listener: TcpListener,
    configs: Vec<usize>,
}

fn place() -> Place {
    // SAFETY: no other thread looks at the environment: libFuzzer's watches memory, and no host name is looked up.
    unsafe { env::set_var("https_proxy", "http://127.0.0.1:9") };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    let configs = URLS.map(|url| {
        let url = CString::new(format!("{url}{port}")).expect("a URL");
        // SAFETY: the handle lives as long as the process.
        unsafe {
            let config = bgl_ssl_config_new();
            assert_eq!(bgl_ssl_config_set_proxy(config, url.as_ptr(), ptr::null_mut()), 0);
            config as usize
        }
    });
    Place { listener, configs: configs.to_vec() }
}

fn answer(place: &Place, how: u8, data: &[u8]) {
    let which = usize::from(how) % URLS.len();
    let config = place.configs[which] as Handle;
    // A client of "socks5" looks names up itself.
    let host = if URLS[which].starts_with("socks5:") { c"192.0.2.1" } else { c"h.example" };
    // SAFETY: the handles are live; the socket is freed once.
    unsafe {
        let socket = bgl_ssl_connect_start(config, host.as_ptr(), 443, 2, c"h.example".as_ptr(), ptr::null_mut());
        assert!(!socket.is_null());
        let (mut proxy, _) = place.listener.accept().expect("a connection");
        proxy.set_nonblocking(true).expect("a mode");
        let mut asked = [0; 2000];
        for piece in data.chunks(usize::from(how / 8) * 8 + 1) {
            if bgl_ssl_socket_handshake(socket) < 0 {
                break;
            }
            let _ = proxy.read(&mut asked);
            let _ = proxy.write(piece);
        }
        let _ = proxy.shutdown(Shutdown::Write);
        let mut status = 1;
        for _ in 0..20 {
            status = bgl_ssl_socket_handshake(socket);
            let _ = proxy.read(&mut asked);
        }
        assert!(status < 0, "{status}: a handshake with nobody");
        bgl_ssl_socket_free(socket);
    }
}

fn url(data: &[u8]) {
    // SAFETY: the handle is freed once; of the environment see place().
    unsafe {
        let config = bgl_ssl_config_new();
        bgl_ssl_config_set_proxy(config, text(data).as_ptr(), ptr::null_mut());
        env::set_var("no_proxy", OsStr::from_bytes(text(data).as_bytes()));
        bgl_ssl_config_set_proxy(config, c"env".as_ptr(), ptr::null_mut());
        bgl_ssl_config_free(config);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let (how, rest) = first(data);
    if how == 255 { url(rest) } else { answer(PLACE.get_or_init(place), how, rest) }
});
