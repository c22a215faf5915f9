//! The sessions that this process's clients resume by themselves: those of TLS 1.3 once each, those of before for as long
//! as they last.
//!
//! They are in parts with a lock each, which is held no longer than it takes to look one up: OpenSSL's work is done outside
//! of it.

use crate::{
    ossl::{
        self,
        session::{
            resumable::Session,
            rules::{DEFAULT_LIFETIME, LONGEST_LIFETIME},
        },
    },
    posix,
};
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::scope::Scope;

/// How many parts there are. A key says by itself which is its own, and keys are spread evenly.
const PARTS: usize = 16;

/// Of how many hosts there are sessions at most in a part. Settings and ports count: see `Key`.
const HOSTS: usize = 256 / PARTS;

/// How many sessions of TLS 1.3 there are of one host at most.
const TICKETS: usize = 4;

/// How many bytes all of a part may take, and one of them.
const BYTES: usize = (8 << 20) / PARTS;
const BYTES_OF_ONE: usize = 64 << 10;

/// What OpenSSL needs for a session beside its contents, about.
const OVERHEAD: usize = 2 << 10;

/// How long before its end a session is used no more: a handshake takes a while, and is to end before it.
const MARGIN: i64 = 60;

/// What sessions belong to: everything that decides about the peer, and where it is.
pub type Key = Scope;

/// A session with what decides about its use.
struct Kept {
    session: Arc<Session>,
    bytes: usize,
    from: i64,
    until: i64,
}

impl Kept {
    /// None for one that is of no use.
    fn new(session: Session) -> Option<Kept> {
        let certificates = session.chain.iter().map(|certificate| certificate.der_len());
        let bytes = OVERHEAD + session.session.size() + certificates.sum::<usize>();
        let (from, until) = (session.session.made(), end_of(&session) - MARGIN);
        let is_useful = bytes <= BYTES_OF_ONE && until > from;
        is_useful.then(|| Kept { session: Arc::new(session), bytes, from, until })
    }

    /// A clock that has been set back makes nothing younger.
    fn is_good_at(&self, now: i64) -> bool {
        self.from <= now && now < self.until && self.session.session.is_resumable()
    }
}

/// When a session ends, in seconds since 1970: when the server forgets it, or a full handshake would be due.
pub fn end_of(session: &Session) -> i64 {
    let lasts = session.session.lifetime_hint().unwrap_or(DEFAULT_LIFETIME).min(LONGEST_LIFETIME);
    let end = session.session.made().saturating_add(lasts).min(session.proved.saturating_add(LONGEST_LIFETIME));
    session.chain_expires.map_or(end, |expires| end.min(expires))
}

/// The sessions of one host.
#[derive(Default)]
struct Host {
    /// To be used once each, the newest last.
    tickets: Vec<Kept>,
    /// To be used again and again.
    lasting: Option<Kept>,
    /// When it was last asked for.
    used: u64,
}

impl Host {
    fn all(&mut self) -> impl Iterator<Item = Kept> {
        mem::take(&mut self.tickets).into_iter().chain(self.lasting.take())
    }
}

/// A part: what its lock guards.
#[derive(Default)]
struct Sessions {
    hosts: BTreeMap<Key, Host>,
    bytes: usize,
    clock: u64,
    /// How often all of them were forgotten.
    forgotten: u64,
    /// What is to be freed once the lock is free.
    dropped: Vec<Kept>,
}

impl Sessions {
    fn take(&mut self, key: &Key, now: i64) -> Option<Arc<Session>> {
        self.clock += 1;
        let host = self.hosts.get_mut(key)?;
        host.used = self.clock;
        while let Some(ticket) = host.tickets.pop() {
            self.bytes -= ticket.bytes;
            let good = ticket.is_good_at(now).then(|| ticket.session.clone());
            self.dropped.push(ticket);
            if good.is_some() {
                return good;
            }
        }
        match &host.lasting {
            Some(lasting) if lasting.is_good_at(now) => Some(lasting.session.clone()),
            _ => {
                self.forget(key);
                None
            }
        }
    }

    fn add(&mut self, key: &Key, kept: Kept) {
        self.clock += 1;
        self.bytes += kept.bytes;
        let host = self.hosts.entry(*key).or_default();
        host.used = self.clock;
        let replaced = if kept.session.session.is_for_one_use() {
            host.tickets.push(kept);
            (host.tickets.len() > TICKETS).then(|| host.tickets.remove(0))
        } else {
            host.lasting.replace(kept)
        };
        if let Some(replaced) = replaced {
            self.bytes -= replaced.bytes;
            self.dropped.push(replaced);
        }
        while self.hosts.len() > HOSTS || self.bytes > BYTES {
            let Some(oldest) = self.hosts.iter().min_by_key(|(_, host)| host.used).map(|(key, _)| *key) else {
                break;
            };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(mut host) = self.hosts.remove(key) {
            for kept in host.all() {
                self.bytes -= kept.bytes;
                self.dropped.push(kept);
            }
        }
    }

    fn forget_all(&mut self) {
        self.forgotten += 1;
        self.bytes = 0;
        let hosts = mem::take(&mut self.hosts);
        self.dropped.extend(hosts.into_values().flat_map(|mut host| host.all().collect::<Vec<_>>()));
    }
}

/// The sessions of one process. A child does not use those of its parent, which the parent uses itself, and a lock that
/// was held during the fork stays locked in the child: so the child has sessions of its own, behind its parent's.
struct OfProcess {
    pid: u32,
    parts: [Mutex<Sessions>; PARTS],
    of_child: OnceLock<Box<OfProcess>>,
}

impl OfProcess {
    fn new() -> OfProcess {
        OfProcess { pid: posix::pid(), parts: Default::default(), of_child: OnceLock::new() }
    }

    /// That of this process.
    fn own() -> &'static OfProcess {
        static FIRST: OnceLock<OfProcess> = OnceLock::new();
        let pid = posix::pid();
        let mut own = FIRST.get_or_init(OfProcess::new);
        while own.pid != pid {
            own = own.of_child.get_or_init(|| Box::new(OfProcess::new()));
        }
        own
    }
}

/// Runs `action` on a part, and frees what it drops once the lock is free.
fn with<T>(part: &Mutex<Sessions>, action: impl FnOnce(&mut Sessions) -> T) -> T {
    let mut sessions = part.lock().unwrap_or_else(PoisonError::into_inner);
    let result = action(&mut sessions);
    let dropped = mem::take(&mut sessions.dropped);
    drop(sessions);
    drop(dropped);
    result
}

/// Runs `action` on the part that a key belongs to.
fn with_part_of<T>(key: &Key, action: impl FnOnce(&mut Sessions) -> T) -> T {
    let parts = &OfProcess::own().parts;
    let [first, ..] = parts;
    let number = key.as_bytes().first().map_or(0, |byte| usize::from(*byte) % PARTS);
    with(parts.get(number).unwrap_or(first), action)
}

/// A session to resume, if one is `wanted`, and a number that changes once all are forgotten.
pub fn take(key: &Key, wanted: bool) -> (Option<Arc<Session>>, u64) {
    let now = ossl::now();
    with_part_of(key, |sessions| (if wanted { sessions.take(key, now) } else { None }, sessions.forgotten))
}

/// Keeps a session, unless all were forgotten since that number was given.
pub fn add(key: &Key, session: Session, forgotten: u64) {
    let Some(kept) = Kept::new(session) else { return };
    with_part_of(key, |sessions| {
        if sessions.forgotten == forgotten {
            sessions.add(key, kept);
        } else {
            sessions.dropped.push(kept);
        }
    });
}

/// Forgets the sessions of a host.
pub fn forget(key: &Key) {
    with_part_of(key, |sessions| sessions.forget(key));
}

/// Forgets all sessions, and those that connections of now will still get.
pub fn forget_all() {
    for part in &OfProcess::own().parts {
        with(part, Sessions::forget_all);
    }
}
