//! Ticket keys that are derived from a secret and the time: processes and machines that have the secret have the same
//! keys, without a word to one another. A key is for one period; its number is in the key's name.

use crate::{
    crypto::kdf::hkdf,
    error::Result,
    ossl::{cleanse, session::rules::TicketKey},
};
use std::sync::{PoisonError, RwLock};

/// The number of bytes that a secret has at least.
pub const SHORTEST: usize = 32;

/// The secret.
pub struct Secret {
    secret: Vec<u8>,
    /// The number of seconds for which a key encrypts.
    period: i64,
    /// What the names of the keys begin with: other secrets, and other periods, have others.
    id: [u8; 8],
    /// The key that was derived last for a new ticket, and its period.
    latest: RwLock<Option<(i64, TicketKey)>>,
}

impl Drop for Secret {
    fn drop(&mut self) {
        cleanse(&mut self.secret);
    }
}

impl Secret {
    /// Keys for periods of so many seconds.
    pub fn new(secret: &[u8], period: i64) -> Result<Secret> {
        let mut id = [0; 8];
        let info = [b"bglssl ticket key name", &period.to_be_bytes()[..]].concat();
        hkdf(c"SHA256", secret, b"", &info, &mut id)?;
        Ok(Secret { secret: secret.to_vec(), period, id, latest: RwLock::new(None) })
    }

    fn derive(&self, epoch: i64) -> Result<TicketKey> {
        let mut bytes = [0; 64];
        let info = [b"bglssl ticket key", &self.period.to_be_bytes()[..], &epoch.to_be_bytes()].concat();
        hkdf(c"SHA256", &self.secret, b"", &info, &mut bytes)?;
        let mut key = TicketKey { name: [0; 16], mac: [0; 32], cipher: [0; 32], is_aes_128: false };
        let name = self.id.iter().chain(&epoch.to_be_bytes()).copied().collect::<Vec<u8>>();
        for (to, from) in
            [(&mut key.name[..], &name[..]), (&mut key.mac, &bytes[..32]), (&mut key.cipher, &bytes[32..])]
        {
            to.copy_from_slice(from);
        }
        cleanse(&mut bytes);
        Ok(key)
    }

    /// The key of the present period.
    pub fn newest(&self, now: i64) -> Result<TicketKey> {
        let epoch = now.div_euclid(self.period);
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = latest.as_ref().filter(|(of, _)| *of == epoch) {
            return Ok(key.clone());
        }
        drop(latest);
        let key = self.derive(epoch)?;
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, key.clone()));
        Ok(key)
    }

    /// The key of this name, if tickets of it may still live, and whether that of a later period encrypts. The clocks of
    /// others may be ahead, or behind, by up to a period.
    pub fn find(&self, name: &[u8; 16], now: i64, lifetime: i64) -> Option<(TicketKey, bool)> {
        let number = name.strip_prefix(&self.id)?.try_into().ok().map(i64::from_be_bytes)?;
        let current = now.div_euclid(self.period);
        let first = now.saturating_sub(lifetime).div_euclid(self.period) - 1;
        if number < first || number > current + 1 {
            return None;
        }
        if number == current {
            return self.newest(now).ok().map(|key| (key, false));
        }
        self.derive(number).ok().map(|key| (key, number < current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 100;
    const LIFETIME: i64 = 250;

    fn keys(secret: u8) -> Secret {
        Secret::new(&[secret; SHORTEST], PERIOD).unwrap()
    }

    fn bytes(key: &TicketKey) -> Vec<u8> {
        [&key.name[..], &key.mac, &key.cipher].concat()
    }

    #[test]
    fn who_has_the_secret_has_the_keys() {
        let (one, other) = (keys(1), keys(1));
        let key = one.newest(1000).unwrap();
        assert_eq!(bytes(&key), bytes(&other.newest(1099).unwrap()));
        assert_ne!(bytes(&key), bytes(&other.newest(1100).unwrap()));
        let (found, renews) = other.find(&key.name, 1150, LIFETIME).unwrap();
        assert_eq!(bytes(&key), bytes(&found));
        assert!(renews);
    }

    #[test]
    fn other_secrets_and_other_periods_have_other_keys() {
        let key = keys(1).newest(1000).unwrap();
        assert!(keys(2).find(&key.name, 1000, LIFETIME).is_none());
        let longer = Secret::new(&[1; SHORTEST], 2 * PERIOD).unwrap();
        assert!(longer.find(&key.name, 1000, LIFETIME).is_none());
    }

    #[test]
    fn a_clock_that_is_ahead_by_a_period_does_not_matter() {
        let ahead = keys(1).newest(1199).unwrap();
        assert!(!keys(1).find(&ahead.name, 1099, LIFETIME).unwrap().1);
        assert!(keys(1).find(&ahead.name, 999, LIFETIME).is_none());
    }

    #[test]
    fn keys_decrypt_as_long_as_their_tickets_live() {
        let key = keys(1).newest(1099).unwrap();
        assert!(keys(1).find(&key.name, 1099 + LIFETIME, LIFETIME).is_some());
        assert!(keys(1).find(&key.name, 1099 + LIFETIME + 2 * PERIOD, LIFETIME).is_none());
    }

    /// So that releases agree with one another.
    #[test]
    fn the_derivation_stays_as_it_is() {
        let key = Secret::new(&[7; SHORTEST], 43_200).unwrap().newest(1_800_000_000).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&key.name), "f5d823a22d6f29ab000000000000a2c2");
        assert_eq!(hex(&key.mac), "b1503da40b67ae9186aad399270d851012db98ad827d1abc55a4eaf0bc9a68d3");
        assert_eq!(hex(&key.cipher), "28a8a618d52eaf6482c17a3b7811c16bc9e4819b23d834e1c3af456242abab27");
    }
}
