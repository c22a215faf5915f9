//! A socket of either role that gets arbitrary bytes, from functions that do as they like, or inside another connection;
//! between calls in any order. No handshake completes, and nothing is read.
#![no_main]
use bglssl_fuzz::{sockets::*, wire::Shared, *};
use std::{ptr, sync::OnceLock};

struct Configs([usize; 4]);

fn configs() -> Configs {
    let all =
        [(false, false), (false, true), (true, false), (true, true)].map(|(server, tls12)| config(server, tls12));
    // The name decides.
    // SAFETY: the handles are live.
    unsafe {
        let host = config(true, false);
        assert_eq!(bgl_ssl_config_add_host(all[2], c"*.example".as_ptr(), host), 0);
        bgl_ssl_config_free(host);
    }
    Configs(all.map(|config| config as usize))
}

/// What a socket is inside of, and how bytes get to it.
struct Carried {
    socket: Handle,
    outer: Handle,
    peer: Handle,
    wire: Shared,
    peers_wire: Option<Shared>,
}

/// Over functions.
fn plain(config: Handle, server: bool) -> Carried {
    let (socket, wire) = open(config, server);
    Carried { socket, outer: ptr::null_mut(), peer: ptr::null_mut(), wire, peers_wire: None }
}

/// Inside a connection that is fine.
fn nested(configs: &Configs, config: Handle, server: bool) -> Carried {
    let ((outer, wire), (peer, peers_wire)) =
        (open(configs.0[2] as Handle, true), open(configs.0[0] as Handle, false));
    // SAFETY: the handles are live.
    unsafe {
        for _ in 0..4 {
            bgl_ssl_socket_handshake(peer);
            carry(&peers_wire, &wire);
            bgl_ssl_socket_handshake(outer);
            carry(&wire, &peers_wire);
        }
        assert_eq!(bgl_ssl_socket_handshake(peer), 0);
        assert_eq!(bgl_ssl_socket_handshake(outer), 0);
        let socket = if server {
            bgl_ssl_upgrade_server_socket(config, outer, 0)
        } else {
            bgl_ssl_upgrade_client_socket(config, outer, ptr::null(), 0)
        };
        assert!(!socket.is_null());
        bgl_ssl_socket_set_nonblocking(socket, true);
        Carried { socket, outer, peer, wire, peers_wire: Some(peers_wire) }
    }
}

impl Carried {
    fn feed(&self, bytes: &[u8]) {
        match &self.peers_wire {
            None => self.wire.borrow_mut().incoming.extend(bytes),
            Some(wire) => {
                let mut n = 0;
                // SAFETY: the length is the slice's.
                unsafe { bgl_ssl_socket_write(self.peer, bytes.as_ptr(), bytes.len(), &mut n) };
                carry(wire, &self.wire);
            }
        }
    }

    fn end(&self) {
        if let Some(wire) = &self.peers_wire {
            // SAFETY: the handle is live.
            unsafe { bgl_ssl_socket_close(self.peer) };
            carry(wire, &self.wire);
        }
        self.wire.borrow_mut().ended = true;
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    let configs = CONFIGS.get_or_init(configs);
    let (how, rest) = first(data);
    let (count, rest) = first(rest);
    let (moods, mut rest) = rest.split_at(rest.len().min(usize::from(count)));
    let config = configs.0[usize::from(how) % 4] as Handle;
    let server = how & 2 != 0;
    let it = if how & 4 != 0 { nested(configs, config, server) } else { plain(config, server) };
    it.wire.borrow_mut().moods.extend(moods);
    let mut buffer = vec![0; 20000];
    // SAFETY: the lengths are the slices'; each handle is freed once.
    unsafe {
        for _ in 0..200 {
            let [what, value, more @ ..] = rest else { break };
            rest = more;
            let (mut n, mut more) = (0, false);
            let len = usize::from(*value) * 64;
            match what % 16 {
                0..5 => {
                    let (bytes, behind) = rest.split_at(rest.len().min(len / 16));
                    it.feed(bytes);
                    rest = behind;
                }
                5 => assert!(bgl_ssl_socket_handshake(it.socket) != 0, "a handshake with nobody"),
                6 => assert!(bgl_ssl_socket_read(it.socket, buffer.as_mut_ptr(), len, &mut n) != 0 || len == 0),
                7 => assert!(bgl_ssl_socket_write(it.socket, buffer.as_ptr(), len, &mut n) != 0 || len == 0),
                8 => assert!(
                    bgl_ssl_socket_read_now(it.socket, buffer.as_mut_ptr(), len, &mut n, &mut more) != 0
                        || len == 0
                ),
                9 => drop(bgl_ssl_socket_shutdown(it.socket)),
                10 => drop(bgl_ssl_socket_shutdown_read(it.socket)),
                11 => drop(bgl_ssl_socket_close(it.socket)),
                12 => hello(it.socket),
                13 => it.end(),
                14 if value & 7 == 0 => drop(bgl_ssl_socket_refuse(it.socket, i32::from(*value))),
                14 if value & 7 == 1 => drop(bgl_ssl_socket_close(it.outer)),
                _ => question_socket(it.socket),
            }
            assert_eq!(n, 0, "bytes of nobody");
        }
        it.feed(rest);
        for _ in 0..3 {
            assert!(bgl_ssl_socket_handshake(it.socket) != 0, "a handshake with nobody");
        }
        question_socket(it.socket);
        bgl_ssl_socket_free(it.socket);
        bgl_ssl_socket_free(it.outer);
        bgl_ssl_socket_free(it.peer);
    }
    assert_eq!(it.wire.borrow().freed, 1, "given back");
});
