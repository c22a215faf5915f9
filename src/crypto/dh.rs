//! Diffie-Hellman over prime fields. Its numbers are shared with the handles by which they were set or got: a change of one is seen by
//! all, and it lives as long as any of them. What is computed with are copies, taken at the beginning.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        crypto::{
            bn::Bn,
            dh::{self, Group},
        },
        secret::Secret,
    },
};
use std::{
    ffi::{CStr, c_int},
    sync::{Arc, Mutex},
};

use super::lock;

/// The longest prime that is computed with: time grows with its third power.
const MAX_BITS: usize = 10_000;
/// The shortest prime of a group that is used: OpenSSL 3's limit.
const MIN_BITS: usize = 512;

/// Which of the numbers.
#[derive(Clone, Copy)]
pub enum Number {
    /// The prime.
    P,
    /// The order of the generator.
    Q,
    /// The generator.
    G,
    /// One's own public key.
    Public,
    /// One's own private key.
    Private,
}

/// What is wrong with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum GroupFault {
    /// p is no prime.
    NotPrime = 1,
    /// p is a prime, but (p - 1) / 2 is none.
    NotSafePrime = 2,
    /// g generates nothing, or not what q says.
    Generator = 3,
    /// q is no prime.
    QNotPrime = 4,
    /// q does not divide p - 1.
    QNotDivisor = 5,
}

/// What is wrong with a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum KeyFault {
    /// It is 0 or 1.
    TooSmall = 1,
    /// It is p - 1 or more.
    TooLarge = 2,
    /// It is not in the group that g generates.
    Invalid = 3,
}

/// A number that several may hold, and change.
pub type SharedBn = Arc<Mutex<Bn>>;

/// Shares a number.
pub fn share(number: Bn) -> SharedBn {
    Arc::new(Mutex::new(number))
}

#[derive(Default)]
struct Numbers {
    p: Option<SharedBn>,
    q: Option<SharedBn>,
    g: Option<SharedBn>,
    public: Option<SharedBn>,
    private: Option<SharedBn>,
}

impl Numbers {
    fn get(&self, which: Number) -> &Option<SharedBn> {
        match which {
            Number::P => &self.p,
            Number::Q => &self.q,
            Number::G => &self.g,
            Number::Public => &self.public,
            Number::Private => &self.private,
        }
    }

    fn get_mut(&mut self, which: Number) -> &mut Option<SharedBn> {
        match which {
            Number::P => &mut self.p,
            Number::Q => &mut self.q,
            Number::G => &mut self.g,
            Number::Public => &mut self.public,
            Number::Private => &mut self.private,
        }
    }
}

/// A group and perhaps one's own keys in it.
#[derive(Default)]
pub struct Dh(Mutex<Numbers>);

impl Dh {
    /// One of the numbers, if it is set.
    pub fn get(&self, which: Number) -> Option<SharedBn> {
        lock(&self.0).get(which).clone()
    }

    fn copy(&self, which: Number) -> Result<Option<Bn>> {
        self.get(which).map(|number| lock(&number).try_clone()).transpose()
    }

    /// Sets some of the numbers, all at once.
    pub fn set<const N: usize>(&self, numbers: [(Number, Option<SharedBn>); N]) {
        let mut own = lock(&self.0);
        for (which, number) in numbers {
            *own.get_mut(which) = number;
        }
    }

    fn set_group(&self, group: Group) {
        let (p, q, g) = (Some(share(group.p)), group.q.map(share), Some(share(group.g)));
        *lock(&self.0) = Numbers { p, q, g, public: None, private: None };
    }

    fn needed(&self, which: Number, name: &str) -> Result<Bn> {
        self.copy(which)?
            .ok_or_else(|| Error::new(Code::State, format!("the Diffie-Hellman object has no {name} yet")))
    }

    fn group(&self) -> Result<Group> {
        let group = Group { p: self.prime()?, q: self.copy(Number::Q)?, g: self.needed(Number::G, "generator g")? };
        if group.q.as_ref().is_some_and(|q| q.bits() == 0) {
            return Err(Error::argument("the order q is 0"));
        }
        Ok(group)
    }

    /// The group, if it is fit for use at all.
    fn usable_group(&self) -> Result<Group> {
        let group = self.group()?;
        match group.p.bits() {
            MIN_BITS.. => Ok(group),
            bits => Err(Error::new(Code::Config, format!("the prime p has {bits} bits, less than {MIN_BITS}"))),
        }
    }

    fn prime(&self) -> Result<Bn> {
        let p = self.needed(Number::P, "prime p")?;
        match p.bits() {
            0..2 => Err(Error::argument("the prime p is 0 or 1")),
            2..=MAX_BITS => Ok(p),
            bits => Err(Error::argument(format!("the prime p has {bits} bits, more than {MAX_BITS}"))),
        }
    }

    /// How many bytes the prime has, and so the shared secret.
    pub fn size(&self) -> Result<usize> {
        Ok(self.prime()?.size())
    }

    /// Makes a new group, with a safe prime of so many bits.
    pub fn generate_parameters(&self, bits: c_int, generator: c_int) -> Result<()> {
        if !usize::try_from(bits).is_ok_and(|bits| (MIN_BITS..=MAX_BITS).contains(&bits)) {
            return Err(Error::argument(format!("a prime of {bits} bits: {MIN_BITS} to {MAX_BITS} are possible")));
        }
        if generator < 2 {
            return Err(Error::argument(format!("the generator {generator} is less than 2")));
        }
        self.set_group(dh::generate_group(bits, generator)?);
        Ok(())
    }

    /// Takes a group that OpenSSL knows by name.
    pub fn set_named_group(&self, name: &CStr) -> Result<()> {
        match dh::named_group(name)? {
            Some(group) => {
                self.set_group(group);
                Ok(())
            }
            None => Err(Error::argument(format!("OpenSSL knows no group \"{}\"", name.to_string_lossy()))),
        }
    }

    /// Makes one's own keys; to a private key that is set, the public one.
    pub fn generate_key(&self) -> Result<()> {
        let group = self.usable_group()?;
        let (public, private) = match self.get(Number::Private) {
            None => {
                let (public, private) = dh::generate_key(&group)?;
                (public, share(private))
            }
            Some(private) => {
                let copy = lock(&private).try_clone()?;
                (public_key(&group, &copy)?, private)
            }
        };
        self.set([(Number::Public, Some(share(public))), (Number::Private, Some(private))]);
        Ok(())
    }

    /// What is wrong with the group, if anything.
    pub fn check(&self) -> Result<Option<GroupFault>> {
        let group = self.group()?;
        if !group.p.is_prime()? {
            return Ok(Some(GroupFault::NotPrime));
        }
        let before_p = group.p.less_one()?;
        match &group.q {
            None if !before_p.half()?.is_prime()? => return Ok(Some(GroupFault::NotSafePrime)),
            None => (),
            Some(q) if q.bits() > group.p.bits() => return Ok(Some(GroupFault::QNotDivisor)),
            Some(q) if !q.is_prime()? => return Ok(Some(GroupFault::QNotPrime)),
            Some(q) if !before_p.is_multiple_of(q)? => return Ok(Some(GroupFault::QNotDivisor)),
            Some(q) if !group.g.mod_exp(q, &group.p)?.is_one() => return Ok(Some(GroupFault::Generator)),
            Some(_) => (),
        }
        let suitable = group.g.bits() > 1 && group.g < before_p;
        Ok(if suitable { None } else { Some(GroupFault::Generator) })
    }

    /// What is wrong with the public key of a peer, if anything (SP 800-56A, 5.6.2.3).
    pub fn check_public_key(&self, key: &Bn) -> Result<Option<KeyFault>> {
        let p = self.prime()?;
        if key.bits() <= 1 {
            return Ok(Some(KeyFault::TooSmall));
        }
        if *key >= p.less_one()? {
            return Ok(Some(KeyFault::TooLarge));
        }
        match self.copy(Number::Q)? {
            Some(q) if !key.mod_exp(&q, &p)?.is_one() => Ok(Some(KeyFault::Invalid)),
            _ => Ok(None),
        }
    }

    /// The secret shared with the owner of the public key `peer`: as many bytes as the prime has.
    pub fn compute_key(&self, peer: &Bn) -> Result<Secret> {
        let group = self.usable_group()?;
        let private = self.needed(Number::Private, "private key")?;
        if let Some(fault) = self.check_public_key(peer)? {
            let what = match fault {
                KeyFault::TooSmall => "too small",
                KeyFault::TooLarge => "too large",
                KeyFault::Invalid => "not in the group",
            };
            return Err(Error::new(Code::Config, format!("the peer's public key is {what}")));
        }
        let public = match self.copy(Number::Public)? {
            Some(public) => public,
            None => public_key(&group, &private)?,
        };
        let secret = dh::derive(&group, &public, &private, peer)?;
        let size = group.p.size();
        // All at once: what grows leaves copies behind.
        let mut padded = Vec::with_capacity(size.max(secret.len()));
        padded.resize(size.saturating_sub(secret.len()), 0);
        padded.extend_from_slice(&secret);
        Ok(Secret::new(padded))
    }
}

fn public_key(group: &Group, private: &Bn) -> Result<Bn> {
    if private.bits() == 0 || *private >= group.p {
        return Err(Error::argument("the private key is 0, or not less than the prime"));
    }
    group.g.mod_exp(private, &group.p)
}
