//! The keys of servers' tickets. They belong to servers and programs, not to OpenSSL's contexts, of which a server has
//! many, and others after each change of its config. Any number of configs may share them.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        now,
        session::rules::{TicketKey, TicketKeySource},
    },
    pki::file,
};
use std::{
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    ticket_key_file::{self, Order},
    ticket_key_ring::Ring,
    ticket_secret::{self, Secret},
};

/// For how long a key encrypts, in seconds, where no setting says.
const DEFAULT_PERIOD: i64 = 12 * 60 * 60;
/// More keys than from this would be kept for nothing.
const SHORTEST_PERIOD: i64 = 60;

/// The keys.
pub struct TicketKeys(Source);

enum Source {
    /// Made at random, each for one period, or given by the program.
    Ring(RwLock<Ring>),
    /// Derived from a secret and the time.
    Secret(Secret),
}

impl TicketKeys {
    /// Random ones, a new one for each period of so many seconds; None for the default.
    pub fn random(period: Option<i64>) -> Result<TicketKeys> {
        Ring::new(checked(period)?, now()).map(|ring| TicketKeys(Source::Ring(RwLock::new(ring))))
    }

    /// Those that everybody has who has the secret.
    pub fn from_secret(secret: &[u8], period: Option<i64>) -> Result<TicketKeys> {
        if secret.len() < ticket_secret::SHORTEST {
            return Err(Error::argument(format!(
                "the secret has {} bytes, and needs {} at least",
                secret.len(),
                ticket_secret::SHORTEST
            )));
        }
        Secret::new(secret, checked(period)?).map(|secret| TicketKeys(Source::Secret(secret)))
    }

    /// Adds a key of 48 or 80 bytes, which encrypts from now on. No further keys are made at random.
    pub fn add(&self, bytes: &[u8]) -> Result<()> {
        let key = ticket_key_file::key(bytes, Order::Nginx).ok_or_else(|| {
            Error::argument(format!("the ticket key has {} bytes: it needs 48 or 80", bytes.len()))
        })?;
        self.own_ring()?.give(key, now());
        Ok(())
    }

    /// Adds the keys of a file, in nginx's format or in haproxy's.
    pub fn add_file(&self, path: &Path) -> Result<()> {
        let keys = ticket_key_file::keys(&file::read_secret(path)?).ok_or_else(|| {
            let what = "no file of ticket keys: 48 or 80 bytes, or lines of base64 of as many, were expected";
            Error::new(Code::Config, what).context(path.display())
        })?;
        let mut ring = self.own_ring()?;
        keys.into_iter().for_each(|key| ring.give(key, now()));
        Ok(())
    }

    fn own_ring(&self) -> Result<RwLockWriteGuard<'_, Ring>> {
        match &self.0 {
            Source::Ring(ring) => Ok(ring.write().unwrap_or_else(PoisonError::into_inner)),
            Source::Secret(_) => {
                Err(Error::new(Code::State, "the ticket keys come from a secret: no others can be added"))
            }
        }
    }
}

/// The ring as it is now. Only what is done once in a period keeps connections waiting.
fn current(ring: &RwLock<Ring>, now: i64, lifetime: i64) -> RwLockReadGuard<'_, Ring> {
    let read = || ring.read().unwrap_or_else(PoisonError::into_inner);
    if read().is_due(now, lifetime) {
        ring.write().unwrap_or_else(PoisonError::into_inner).advance(now, lifetime);
    }
    read()
}

fn checked(period: Option<i64>) -> Result<i64> {
    match period {
        None => Ok(DEFAULT_PERIOD),
        Some(period) if period >= SHORTEST_PERIOD => Ok(period),
        Some(_) => Err(Error::argument("a ticket key's period is one minute at least")),
    }
}

impl TicketKeySource for TicketKeys {
    fn newest(&self, lifetime: i64) -> Result<TicketKey> {
        match &self.0 {
            Source::Ring(ring) => Ok(current(ring, now(), lifetime).newest()),
            Source::Secret(secret) => secret.newest(now()),
        }
    }

    fn find(&self, name: &[u8; 16], lifetime: i64) -> Option<(TicketKey, bool)> {
        let now = now();
        match &self.0 {
            Source::Ring(ring) => current(ring, now, lifetime).find(name, now, lifetime),
            Source::Secret(secret) => secret.find(name, now, lifetime),
        }
    }
}
