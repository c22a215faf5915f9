//! Two sockets over datagrams that call each other's functions in any order, with somebody in between who drops, delays,
//! repeats, changes and forges what they send. What arrives is what was written, each message once; and what is forged ends
//! no connection whose handshake is complete.
#![no_main]
use bglssl_fuzz::{sockets::*, *};
use std::{
    collections::{HashSet, VecDeque},
    ffi::{CStr, c_char, c_int},
    mem,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    ptr,
    sync::OnceLock,
};

unsafe extern "C" {
    fn bgl_ssl_upgrade_client_fd(config: Handle, fd: c_int, name: *const c_char, n: usize) -> Handle;
    fn bgl_ssl_upgrade_server_fd(config: Handle, fd: c_int, n: usize) -> Handle;
}

/// The configs of client and server.
fn configs() -> [usize; 2] {
    [false, true].map(|server| {
        let config = config(server, false);
        // SAFETY: the config is live.
        assert_eq!(unsafe { bgl_ssl_config_set_protocol(config, DTLS) }, 0);
        config as usize
    })
}

struct Side {
    socket: Handle,
    /// What it sends comes out here, and what is sent here it receives.
    wire: UnixDatagram,
    written: Vec<Vec<u8>>,
    /// Which of the other's messages it has read.
    read: HashSet<usize>,
    shaken: bool,
    /// It has ended its writing half, or the whole.
    finished: bool,
    /// One of its calls has failed.
    failed: bool,
    /// What it has sent, all of it, and what of that is delayed.
    sent: Vec<Vec<u8>>,
    delayed: Vec<Vec<u8>>,
    changes: VecDeque<u8>,
}

impl Side {
    fn new(config: Handle, server: bool) -> Side {
        let (own, wire) = UnixDatagram::pair().expect("a pair");
        wire.set_nonblocking(true).expect("not to block");
        // SAFETY: the config is live; the socket has a duplicate of the descriptor.
        let socket = unsafe {
            let socket = match server {
                true => bgl_ssl_upgrade_server_fd(config, own.as_raw_fd(), 0),
                false => bgl_ssl_upgrade_client_fd(config, own.as_raw_fd(), ptr::null(), 0),
            };
            assert!(!socket.is_null(), "{:?}", CStr::from_ptr(bgl_ssl_error_string()));
            assert_eq!(bgl_ssl_socket_set_nonblocking(socket, true), 0);
            socket
        };
        Side {
            socket,
            wire,
            written: Vec::new(),
            read: HashSet::new(),
            shaken: false,
            finished: false,
            failed: false,
            sent: Vec::new(),
            delayed: Vec::new(),
            changes: VecDeque::new(),
        }
    }

    fn handshake(&mut self) {
        // SAFETY: the handle is live.
        let status = unsafe { bgl_ssl_socket_handshake(self.socket) };
        self.shaken |= status == 0;
        self.failed |= status < 0;
    }

    /// A message that no other one of this side equals.
    fn write(&mut self, len: usize) {
        let number = self.written.len();
        let message: Vec<u8> = (0..len.max(2)).map(|at| (number * 31 + at * 7) as u8).collect();
        let mut message = message;
        message[..2].copy_from_slice(&(number as u16).to_be_bytes());
        let mut n = 0;
        // SAFETY: the length is the vector's.
        let status = unsafe { bgl_ssl_socket_write(self.socket, message.as_ptr(), message.len(), &mut n) };
        assert!(n == 0 || n == message.len(), "a part of a message");
        self.failed |= status < 0 && status != E_ARGUMENT;
        if n != 0 {
            self.shaken = true;
            self.written.push(message);
        }
    }

    fn read(&mut self, other: &Side, now: bool) {
        let mut message = vec![0; 20000];
        let (mut n, mut more) = (0, false);
        // SAFETY: the length is the vector's.
        let status = unsafe {
            if now {
                bgl_ssl_socket_read_now(self.socket, message.as_mut_ptr(), message.len(), &mut n, &mut more)
            } else {
                bgl_ssl_socket_read(self.socket, message.as_mut_ptr(), message.len(), &mut n)
            }
        };
        let had_reason = !self.shaken || self.finished || self.failed || other.finished || other.failed;
        assert!(had_reason || [0, WANT_READ, WANT_WRITE].contains(&status), "ended without a reason: {status}");
        self.failed |= status < 0;
        if n == 0 {
            return;
        }
        self.shaken = true;
        let number = usize::from(message[0]) << 8 | usize::from(message[1]);
        assert_eq!(Some(&message[..n]), other.written.get(number).map(Vec::as_slice), "another message");
        assert!(self.read.insert(number), "a message twice");
    }

    fn next(&mut self) -> usize {
        usize::from(self.changes.pop_front().unwrap_or(0xff))
    }

    /// Takes what was sent to the other side, with what somebody makes of it.
    fn carry(&mut self, to: &Side) {
        let mut buffer = [0; 20000];
        let mut datagrams = Vec::new();
        while let Ok(len) = self.wire.recv(&mut buffer) {
            datagrams.push(buffer[..len].to_vec());
        }
        self.sent.extend_from_slice(&datagrams);
        for mut datagram in datagrams {
            let what = self.next();
            let place = if what < 0xc0 { self.next() * datagram.len() / 256 } else { 0 };
            match what % 16 {
                _ if what >= 0xc0 => {}
                0 => datagram.clear(),
                1 => drop(to.wire.send(&datagram)),
                2 if !datagram.is_empty() => datagram[place] ^= self.next() as u8,
                3 => datagram.truncate(place),
                4 => self.delayed.push(mem::take(&mut datagram)),
                5 => mem::take(&mut self.delayed).iter().rev().for_each(|late| drop(to.wire.send(late))),
                6 => datagram.extend_from_within(place..),
                7 => drop(to.wire.send(&datagram.split_off(place))),
                8 => {
                    // An alert in the clear: its level, its description.
                    let (level, description) = (self.next() as u8, self.next() as u8);
                    let number = [0, 0, 0, 0, 0, 0, 0, place as u8];
                    let forged = [&[21, 0xfe, 0xfd], &number[..], &[0, 2, level, description]].concat();
                    drop(to.wire.send(&forged));
                }
                9 => {
                    let again = self.sent.get(place * self.sent.len() / (datagram.len() + 1)).cloned();
                    drop(to.wire.send(&again.unwrap_or_default()));
                }
                10 => {
                    let forged: Vec<u8> = (0..self.next() % 64).map(|_| self.next() as u8).collect();
                    drop(to.wire.send(&forged));
                }
                // A header that says another epoch, or number.
                11 => datagram.iter_mut().skip(3).take(8).for_each(|byte| *byte = self.next() as u8),
                _ => {}
            }
            if !datagram.is_empty() {
                drop(to.wire.send(&datagram));
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CONFIGS: OnceLock<[usize; 2]> = OnceLock::new();
    let configs = CONFIGS.get_or_init(configs).map(|config| config as Handle);
    let (how, mut rest) = first(data);
    let mut sides = [Side::new(configs[0], false), Side::new(configs[1], true)];
    if how & 1 == 0 {
        // The handshake first, which nobody disturbs.
        for _ in 0..8 {
            for which in [0, 1] {
                sides[which].handshake();
                let [client, server] = &mut sides;
                if which == 0 { client.carry(server) } else { server.carry(client) }
            }
        }
        assert!(sides[0].shaken && sides[1].shaken, "an undisturbed handshake");
    }
    for side in &mut sides {
        let (count, behind) = first(rest);
        let (bytes, behind) = behind.split_at(behind.len().min(usize::from(count)));
        side.changes.extend(bytes);
        rest = behind;
    }
    while let [what, value, more @ ..] = rest {
        rest = more;
        let [client, server] = &mut sides;
        let (this, other) = if what & 1 == 0 { (client, server) } else { (server, client) };
        match (what / 2) % 16 {
            0 | 1 => this.handshake(),
            2..5 => this.write(usize::from(*value) * usize::from(*value)),
            5 => this.read(other, true),
            6..9 => this.read(other, false),
            // SAFETY: the handle is live.
            9 if *value < 32 => unsafe {
                this.finished = true;
                bgl_ssl_socket_shutdown(this.socket);
            },
            // SAFETY: the handle is live.
            9 if *value < 64 => unsafe {
                this.finished = true;
                bgl_ssl_socket_close(this.socket);
            },
            9 => question_socket(this.socket),
            10 => hello(this.socket),
            _ => this.carry(other),
        }
    }
    for side in &sides {
        question_socket(side.socket);
        // SAFETY: each is freed once.
        unsafe { bgl_ssl_socket_free(side.socket) };
    }
});
