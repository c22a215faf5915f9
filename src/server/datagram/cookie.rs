//! Cookies: what shows that a client receives what is sent to its address, without remembering that it was sent.
//! Each is an HMAC of the address and the hello under a secret that is replaced every minute.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        crypto::{hmac, md::Md},
        rand,
    },
};
use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::hello::{COOKIE_LENGTH, Hello};

/// How long a secret makes cookies. They are good for as long again.
const LIFETIME: Duration = Duration::from_secs(60);

/// How many used cookies are remembered.
const REMEMBERED: usize = 16 * 1024;

type Secret = [u8; 32];

/// Cookies that have begun a connection, as long as they are good: a second connection by the same one would be the
/// work of a late duplicate, or of a replay.
#[derive(Default)]
pub struct UsedCookies {
    set: HashSet<Vec<u8>>,
    by_age: VecDeque<(Instant, Vec<u8>)>,
}

impl UsedCookies {
    /// Whether this one has been used.
    pub fn contains(&self, cookie: &[u8]) -> bool {
        self.set.contains(cookie)
    }

    /// It has come to nothing, and may be used again.
    pub fn forget(&mut self, cookie: &[u8]) {
        self.set.remove(cookie);
    }

    /// From now on it has.
    pub fn insert(&mut self, cookie: &[u8]) {
        let now = Instant::now();
        while self.by_age.front().is_some_and(|(since, _)| {
            self.by_age.len() >= REMEMBERED || now.saturating_duration_since(*since) >= 2 * LIFETIME
        }) {
            if let Some((_, old)) = self.by_age.pop_front() {
                self.set.remove(&old);
            }
        }
        if self.set.insert(cookie.to_vec()) {
            self.by_age.push_back((now, cookie.to_vec()));
        }
    }
}

/// The secrets.
pub struct Cookies(Mutex<Secrets>);

struct Secrets {
    current: Secret,
    previous: Secret,
    since: Instant,
}

impl Cookies {
    /// With fresh secrets.
    pub fn new() -> Result<Cookies> {
        let secrets = Secrets { current: fresh()?, previous: fresh()?, since: Instant::now() };
        Ok(Cookies(Mutex::new(secrets)))
    }

    /// The cookie for a hello from `from` to `to`.
    pub fn make(&self, hello: &Hello, from: &SocketAddr, to: &SocketAddr) -> Result<[u8; COOKIE_LENGTH]> {
        let (current, _) = self.secrets()?;
        cookie(&current, hello, from, to)
    }

    /// Whether the hello from `from` to `to` has the cookie that it was given.
    pub fn verify(&self, hello: &Hello, from: &SocketAddr, to: &SocketAddr) -> Result<bool> {
        if hello.cookie.len() != COOKIE_LENGTH {
            return Ok(false);
        }
        let (current, previous) = self.secrets()?;
        for secret in [current, previous] {
            if hmac::equal(&cookie(&secret, hello, from, to)?, hello.cookie) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn secrets(&self) -> Result<(Secret, Secret)> {
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = secrets.since.elapsed();
        if age >= LIFETIME {
            // After a pause of two lifetimes not even the latest one may count any more.
            secrets.previous = if age >= 2 * LIFETIME { fresh()? } else { secrets.current };
            secrets.current = fresh()?;
            secrets.since = Instant::now();
        }
        Ok((secrets.current, secrets.previous))
    }
}

fn fresh() -> Result<Secret> {
    let mut secret = [0; 32];
    rand::bytes(&mut secret)?;
    Ok(secret)
}

fn cookie(secret: &Secret, hello: &Hello, from: &SocketAddr, to: &SocketAddr) -> Result<[u8; COOKIE_LENGTH]> {
    let mut data = Vec::with_capacity(256);
    for address in [from, to] {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        data.extend(ip.octets());
        data.extend(address.port().to_be_bytes());
    }
    data.extend(hello.identity);
    data.push(hello.session_id.len() as u8);
    data.extend(hello.session_id);
    data.extend(hello.parameters().unwrap_or_default());
    let mac = hmac::at_once(&Md::by_name(c"SHA256")?, secret, &data)?;
    mac.try_into().map_err(|_| Error::new(Code::Internal, "an HMAC of the wrong length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Hello = Hello { sequence: [0; 8], identity: [7; 34], session_id: &[], cookie: &[], rest: &[] };

    fn ends() -> (SocketAddr, SocketAddr) {
        (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 2)))
    }

    /// Makes the secrets older.
    fn age(cookies: &Cookies, by: Duration) {
        let mut secrets = cookies.0.lock().unwrap();
        secrets.since = secrets.since.checked_sub(by).expect("a machine that has been up for as long");
    }

    fn is_good(cookies: &Cookies, cookie: &[u8]) -> bool {
        let (from, to) = ends();
        cookies.verify(&Hello { cookie, ..HELLO }, &from, &to).unwrap()
    }

    #[test]
    fn a_cookie_outlives_one_secret_and_not_two() {
        let cookies = Cookies::new().unwrap();
        let (from, to) = ends();
        let cookie = cookies.make(&HELLO, &from, &to).unwrap();
        assert!(is_good(&cookies, &cookie));
        age(&cookies, LIFETIME);
        assert!(is_good(&cookies, &cookie));
        assert_ne!(cookie, cookies.make(&HELLO, &from, &to).unwrap());
        age(&cookies, LIFETIME);
        assert!(!is_good(&cookies, &cookie));
    }

    #[test]
    fn a_cookie_does_not_outlive_a_long_pause() {
        let cookies = Cookies::new().unwrap();
        let (from, to) = ends();
        let cookie = cookies.make(&HELLO, &from, &to).unwrap();
        age(&cookies, 2 * LIFETIME);
        assert!(!is_good(&cookies, &cookie));
    }

    #[test]
    fn a_cookie_is_for_one_pair_of_addresses() {
        let cookies = Cookies::new().unwrap();
        let (from, to) = ends();
        let cookie = cookies.make(&HELLO, &from, &to).unwrap();
        let hello = Hello { cookie: &cookie, ..HELLO };
        assert!(!cookies.verify(&hello, &to, &from).unwrap());
        assert!(!cookies.verify(&hello, &SocketAddr::new(from.ip(), 3), &to).unwrap());
        assert!(!cookies.verify(&hello, &from, &SocketAddr::new(to.ip(), 3)).unwrap());
    }

    #[test]
    fn no_more_used_cookies_are_remembered_than_said() {
        let mut used = UsedCookies::default();
        for n in 0..=REMEMBERED {
            used.insert(&n.to_be_bytes());
        }
        assert_eq!((used.set.len(), used.by_age.len()), (REMEMBERED, REMEMBERED));
        assert!(!used.contains(&0usize.to_be_bytes()) && used.contains(&REMEMBERED.to_be_bytes()));
    }
}
