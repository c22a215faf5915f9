//! A DTLS server on loopback that gets arbitrary datagrams, some of which carry a right cookie.
#![no_main]
use bglssl_fuzz::*;
use std::{net::UdpSocket, ptr, sync::OnceLock, time::Duration};

struct Place {
    server: usize,
    client: UdpSocket,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let (cert, key) = (pki("good.pem"), pki("good.key"));
        // SAFETY: the lengths are the vectors'; the handles live as long as the process, or are freed once.
        let server = unsafe {
            let config = bgl_ssl_config_new();
            let cert = bgl_ssl_certificate_from_mem(cert.as_ptr(), cert.len(), 1);
            let key = bgl_ssl_private_key_from_mem(key.as_ptr(), key.len(), 1, ptr::null());
            assert_eq!(bgl_ssl_config_set_protocol(config, DTLS), 0);
            assert_eq!(bgl_ssl_config_set_certificate(config, cert, key), 0);
            let server = bgl_ssl_listen(config, c"127.0.0.1".as_ptr(), 0, 16, 2);
            assert!(!server.is_null());
            bgl_ssl_config_free(config);
            bgl_ssl_certificate_free(cert);
            bgl_ssl_private_key_free(key);
            server
        };
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // SAFETY: the handle is live.
        let port = unsafe { bgl_ssl_server_port(server) };
        client.connect(("127.0.0.1", port as u16)).expect("connect");
        client.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        Place { server: server as usize, client }
    })
}

fn accept(server: Handle) {
    let mut socket = ptr::null_mut();
    // SAFETY: the handle is live; what is accepted is freed.
    unsafe {
        bgl_ssl_server_accept(server, -1, &mut socket);
        bgl_ssl_socket_free(socket);
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Place { server, client } = place();
    let server = *server as Handle;
    let mut answer = [0; 2000];
    // Datagrams, each after its length in two bytes.
    let mut rest = data;
    while let [high, low, after @ ..] = rest {
        let len = (usize::from(*high) << 8 | usize::from(*low)).min(after.len()).min(1500);
        let (datagram, more) = after.split_at(len);
        rest = more;
        let _ = client.send(datagram);
        accept(server);
        // A hello verify request: the same hello once more, with its cookie.
        let Ok(len) = client.recv(&mut answer) else { continue };
        let cookie = &answer[..len];
        if len >= 60 && answer[0] == 22 && answer[13] == 3 && datagram.len() > 60 {
            let cookie = &cookie[cookie.len() - 32..];
            let session = 59 + 1 + usize::from(datagram[59]);
            if session < datagram.len() && datagram[session] == 0 {
                let mut again = datagram[..session].to_vec();
                again.push(32);
                again.extend_from_slice(cookie);
                again.extend_from_slice(&datagram[session + 1..]);
                for (place, bytes) in [(11, 2), (14, 3), (22, 3)] {
                    let field = again[place..place + bytes].iter().fold(0, |n, b| n << 8 | usize::from(*b)) + 32;
                    for (at, byte) in again[place..place + bytes].iter_mut().enumerate() {
                        *byte = (field >> (8 * (bytes - 1 - at))) as u8;
                    }
                }
                let _ = client.send(&again);
                accept(server);
                let _ = client.recv(&mut answer);
            }
        }
    }
});
