//! Two sockets that call each other's functions in memory in any order, over a wire that changes some bytes. What arrives is
//! what was written, or a beginning of it, and it ends cleanly only behind all of it.
#![no_main]
use bglssl_fuzz::{sockets::*, wire::Shared, *};
use std::{collections::VecDeque, sync::OnceLock};

struct Place {
    configs: [[usize; 2]; 2],
    sessions: [usize; 2],
}

fn place() -> Place {
    let configs = [false, true].map(|tls12| [false, true].map(|server| config(server, tls12) as usize));
    Place { configs, sessions: configs.map(session) }
}

/// A session of a connection of these configs.
fn session(configs: [usize; 2]) -> usize {
    let ends = [false, true].map(|server| Side::new(configs[usize::from(server)] as Handle, server));
    let mut buffer = [0; 10];
    let mut n = 0;
    // SAFETY: the handles are live; the buffer has the space.
    unsafe {
        for _ in 0..5 {
            for (this, other) in [(0, 1), (1, 0)] {
                bgl_ssl_socket_handshake(ends[this].socket);
                bgl_ssl_socket_read(ends[this].socket, buffer.as_mut_ptr(), buffer.len(), &mut n);
                carry(&ends[this].wire, &ends[other].wire);
            }
        }
        let session = bgl_ssl_socket_session(ends[0].socket);
        assert!(!session.is_null());
        ends.iter().for_each(|end| bgl_ssl_socket_free(end.socket));
        session as usize
    }
}

struct Side {
    socket: Handle,
    wire: Shared,
    /// What its writes have taken.
    written: Vec<u8>,
    /// How much of the other's it has read.
    arrived: usize,
    /// It has ended its writing half, or the whole.
    finished: bool,
    /// It has ended its reading half.
    deaf: bool,
    changes: VecDeque<u8>,
}

impl Side {
    fn new(config: Handle, server: bool) -> Side {
        let (socket, wire) = open(config, server);
        Side { socket, wire, written: Vec::new(), arrived: 0, finished: false, deaf: false, changes: VecDeque::new() }
    }

    fn write(&mut self, len: usize) {
        let data: Vec<u8> = (self.written.len()..self.written.len() + len).map(|at| (at * 7 / 3) as u8).collect();
        let mut n = 0;
        // SAFETY: the length is the vector's.
        unsafe { bgl_ssl_socket_write(self.socket, data.as_ptr(), data.len(), &mut n) };
        self.written.extend_from_slice(&data[..n]);
    }

    fn read(&mut self, other: &Side, len: usize, now: bool) {
        let mut data = vec![0; len];
        let (mut n, mut more) = (0, false);
        // SAFETY: the length is the vector's.
        let status = unsafe {
            if now {
                bgl_ssl_socket_read_now(self.socket, data.as_mut_ptr(), data.len(), &mut n, &mut more)
            } else {
                bgl_ssl_socket_read(self.socket, data.as_mut_ptr(), data.len(), &mut n)
            }
        };
        let expected = other.written.get(self.arrived..self.arrived + n);
        // A write that was not told of yet may have arrived: its bytes are the next ones.
        let told = expected.is_none_or(|expected| expected == &data[..n]);
        assert!(told, "other bytes than were written");
        let all = data[..n].iter().enumerate().all(|(at, byte)| *byte == ((self.arrived + at) * 7 / 3) as u8);
        assert!(all, "other bytes than were written");
        self.arrived += n;
        if status == EOF && len > 0 && !self.deaf {
            assert!(other.finished, "an end that nobody has made");
            assert!(self.arrived >= other.written.len(), "{} of {} bytes", self.arrived, other.written.len());
        }
    }

    /// Moves what was written, perhaps changed; whether it was.
    fn carry(&mut self, to: &Side) {
        let mut bytes = std::mem::take(&mut self.wire.borrow_mut().outgoing);
        if let (false, Some(what)) = (bytes.is_empty(), self.changes.pop_front()) {
            let mut next = || usize::from(self.changes.pop_front().unwrap_or(0));
            let place = next() * bytes.len() / 256;
            match what % 16 {
                0 => bytes[place] ^= next() as u8,
                1 => bytes.truncate(place),
                2 => bytes.insert(place, next() as u8),
                3 => bytes.extend_from_within(place..),
                4 => drop(bytes.remove(place)),
                5 => to.wire.borrow_mut().ended = true,
                _ => {}
            }
        }
        let mut to = to.wire.borrow_mut();
        to.incoming.extend(bytes);
        to.ended |= self.wire.borrow().shut;
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let place = PLACE.get_or_init(place);
    let (how, mut rest) = first(data);
    let configs = place.configs[usize::from(how) % 2].map(|config| config as Handle);
    let mut sides = [Side::new(configs[0], false), Side::new(configs[1], true)];
    for side in &mut sides {
        for moods in [true, false] {
            let (count, behind) = first(rest);
            let (bytes, behind) = behind.split_at(behind.len().min(usize::from(count) % 32));
            if moods {
                side.wire.borrow_mut().moods.extend(bytes)
            } else {
                side.changes.extend(bytes)
            }
            rest = behind;
        }
    }
    // SAFETY: the handles are live, and each is freed once.
    unsafe {
        if how & 2 != 0 {
            assert_eq!(
                bgl_ssl_socket_set_session(sides[0].socket, place.sessions[usize::from(how) % 2] as Handle),
                0
            );
        }
        if how & 4 == 0 {
            // The handshake first.
            for _ in 0..6 {
                for which in [0, 1] {
                    bgl_ssl_socket_handshake(sides[which].socket);
                    let [client, server] = &mut sides;
                    if which == 0 { client.carry(server) } else { server.carry(client) }
                }
            }
        }
        while let [what, value, more @ ..] = rest {
            rest = more;
            let [client, server] = &mut sides;
            let (this, other) = if what & 1 == 0 { (client, server) } else { (server, client) };
            let len = usize::from(*value) * usize::from(*value);
            match (what / 2) % 16 {
                0 | 1 => drop(bgl_ssl_socket_handshake(this.socket)),
                2..5 => this.write(len),
                5 => this.read(other, len, true),
                6 | 7 => this.read(other, len, false),
                8 if *value < 64 => {
                    this.finished = true;
                    bgl_ssl_socket_shutdown(this.socket);
                }
                8 if *value < 128 => {
                    this.finished = true;
                    bgl_ssl_socket_close(this.socket);
                }
                8 if *value < 140 => {
                    this.deaf = true;
                    bgl_ssl_socket_shutdown_read(this.socket);
                }
                8 => question_socket(this.socket),
                9 => hello(this.socket),
                _ => this.carry(other),
            }
        }
        for side in &sides {
            question_socket(side.socket);
            bgl_ssl_socket_free(side.socket);
            assert_eq!(side.wire.borrow().freed, 1, "given back");
        }
    }
});
