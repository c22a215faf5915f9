//! Encryption and decryption, in pieces.

use crate::{
    error::{Code, Error, Result},
    ossl::crypto::cipher::{self, CipherCtx, Kind},
};
use std::{ffi::CStr, sync::Mutex};

use super::lock;

pub use crate::ossl::crypto::cipher::SLACK;

/// The length of an AEAD cipher's tag, unless another is chosen.
pub const TAG_SIZE: usize = 16;

/// Whether to encrypt or to decrypt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Plaintext in, ciphertext out.
    Encrypt,
    /// Ciphertext in, plaintext out.
    Decrypt,
}

impl Direction {
    /// Encrypt if `encrypt`.
    pub fn new(encrypt: bool) -> Direction {
        if encrypt { Direction::Encrypt } else { Direction::Decrypt }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No text yet.
    Start,
    /// Some text.
    Text,
    /// No more text.
    Finished,
}

struct State {
    ctx: CipherCtx,
    name: String,
    kind: Kind,
    direction: Direction,
    phase: Phase,
    tag_size: usize,
    /// The tag to be met by what is decrypted, or that of what was encrypted.
    tag: Option<Vec<u8>>,
    /// Additional data that waits for the length of the message.
    aad: Vec<u8>,
}

/// A text that is encrypted or decrypted.
pub struct Cipher(Mutex<State>);

impl Cipher {
    /// With key and initialisation vector from a password, by OpenSSL's old way: one round of MD5 and no salt.
    pub fn from_password(name: &CStr, password: &[u8], direction: Direction) -> Result<Cipher> {
        let cipher = cipher::Cipher::by_name(name)?;
        let (key, iv) = cipher.key_from_password(password)?;
        Cipher::begin(&cipher, &key, &iv, TAG_SIZE, direction)
    }

    /// With this key and initialisation vector, and a tag of so many bytes if it is an AEAD cipher.
    pub fn new(name: &CStr, key: &[u8], iv: &[u8], tag_size: usize, direction: Direction) -> Result<Cipher> {
        let cipher = cipher::Cipher::by_name(name)?;
        check_sizes(&cipher, key, iv, tag_size)?;
        Cipher::begin(&cipher, key, iv, tag_size, direction)
    }

    fn begin(
        cipher: &cipher::Cipher,
        key: &[u8],
        iv: &[u8],
        tag_size: usize,
        direction: Direction,
    ) -> Result<Cipher> {
        let kind = cipher.kind()?;
        let ctx = CipherCtx::new(cipher, key, iv, tag_size, direction == Direction::Encrypt)?;
        Ok(Cipher(Mutex::new(State {
            ctx,
            name: cipher.name().to_string(),
            kind,
            direction,
            phase: Phase::Start,
            tag_size,
            tag: None,
            aad: Vec::new(),
        })))
    }

    /// Whether the last block is padded.
    pub fn set_padding(&self, padding: bool) -> Result<()> {
        let mut state = lock(&self.0);
        state.check_unfinished()?;
        state.ctx.set_padding(padding)
    }

    /// Takes additional data in.
    pub fn aad(&self, data: &[u8]) -> Result<()> {
        lock(&self.0).take_aad(data)
    }

    /// Takes a piece of text in; `out` has space for SLACK bytes more. Returns how many came out.
    pub fn update(&self, data: &[u8], out: &mut [u8]) -> Result<usize> {
        lock(&self.0).update(data, out)
    }

    /// Ends the text. Returns what came out, which is at most SLACK bytes.
    pub fn finish(&self) -> Result<Vec<u8>> {
        let mut state = lock(&self.0);
        let mut out = [0; SLACK];
        let len = state.finish(&mut out)?;
        Ok(out.get(..len).unwrap_or_default().to_vec())
    }

    /// The tag of what was encrypted.
    pub fn tag(&self) -> Result<Vec<u8>> {
        let state = lock(&self.0);
        state.check_aead()?;
        match (&state.tag, state.direction) {
            (Some(tag), Direction::Encrypt) => Ok(tag.clone()),
            (None, Direction::Encrypt) => Err(state.wrong_state("has no tag before it is finished")),
            (_, Direction::Decrypt) => Err(state.wrong_state("decrypts: the tag is given, not asked for")),
        }
    }

    /// The tag that what is decrypted must have.
    pub fn set_tag(&self, tag: &[u8]) -> Result<()> {
        let mut state = lock(&self.0);
        state.check_aead()?;
        state.check_unfinished()?;
        if state.direction == Direction::Encrypt {
            return Err(state.wrong_state("encrypts: the tag is asked for, not given"));
        }
        if tag.len() != state.tag_size {
            let (has, wants) = (tag.len(), state.tag_size);
            return Err(Error::argument(format!("the tag has {has} bytes, and not {wants}")));
        }
        state.tag = Some(tag.to_vec());
        Ok(())
    }
}

/// OpenSSL reads as many bytes as the cipher says, whatever it is given.
fn check_sizes(cipher: &cipher::Cipher, key: &[u8], iv: &[u8], tag_size: usize) -> Result<()> {
    let name = cipher.name();
    let wrong = |what: &str, has: usize, wants: usize| {
        Err(Error::argument(format!("the {what} for \"{name}\" has {has} bytes, and not {wants}")))
    };
    let kind = cipher.kind()?;
    if cipher.takes_any_key_size() && key.is_empty() {
        return Err(Error::argument(format!("the key for \"{name}\" is empty")));
    }
    if !cipher.takes_any_key_size() && key.len() != cipher.key_size() {
        return wrong("key", key.len(), cipher.key_size());
    }
    let fixed_iv = !kind.is_aead() || cipher.is_chacha20_poly1305();
    if fixed_iv && iv.len() != cipher.iv_size() {
        return wrong("initialisation vector", iv.len(), cipher.iv_size());
    }
    if iv.is_empty() && kind.is_aead() {
        return wrong("initialisation vector", 0, cipher.iv_size());
    }
    if kind.is_aead() && !(4..=TAG_SIZE).contains(&tag_size) {
        return Err(Error::argument(format!("a tag of {tag_size} bytes: 4 to {TAG_SIZE} are possible")));
    }
    Ok(())
}

impl State {
    fn wrong_state(&self, what: &str) -> Error {
        Error::new(Code::State, format!("the cipher \"{}\" {what}", self.name))
    }

    fn check_unfinished(&self) -> Result<()> {
        if self.phase == Phase::Finished { Err(self.wrong_state("is finished already")) } else { Ok(()) }
    }

    fn check_aead(&self) -> Result<()> {
        if self.kind.is_aead() {
            return Ok(());
        }
        let what = format!("the cipher \"{}\" has neither additional data nor a tag", self.name);
        Err(Error::new(Code::Unsupported, what))
    }

    fn take_aad(&mut self, data: &[u8]) -> Result<()> {
        self.check_aead()?;
        self.check_unfinished()?;
        if self.phase == Phase::Text {
            return Err(self.wrong_state("takes additional data before the text only"));
        }
        match self.kind {
            _ if data.is_empty() => (),
            Kind::AeadOneShot => self.aad.extend_from_slice(data),
            _ => self.ctx.aad(data)?,
        }
        Ok(())
    }

    fn update(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check_unfinished()?;
        if data.is_empty() {
            return Ok(0);
        }
        if self.kind == Kind::AeadOneShot {
            return self.whole_message(data, out);
        }
        if self.kind == Kind::OneShot && self.phase == Phase::Text {
            return Err(self.wrong_state("takes the text in one piece only"));
        }
        self.phase = Phase::Text;
        let what = format!("the cipher \"{}\" cannot take this text", self.name);
        self.ctx.update(data, out, Code::Config, &what)
    }

    /// The only piece of a message whose length must be known first.
    fn whole_message(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize> {
        if self.phase == Phase::Text {
            return Err(self.wrong_state("takes the text in one piece only"));
        }
        if self.direction == Direction::Decrypt {
            let tag = self.expected_tag()?;
            self.ctx.set_tag(&tag)?;
        }
        self.ctx.set_length(data.len())?;
        let aad = std::mem::take(&mut self.aad);
        if !aad.is_empty() {
            self.ctx.aad(&aad)?;
        }
        let (code, what) = self.failure();
        match self.ctx.update(data, out, code, &what) {
            Ok(written) => {
                self.phase = Phase::Text;
                Ok(written)
            }
            Err(error) => {
                self.phase = Phase::Finished;
                Err(error)
            }
        }
    }

    fn finish(&mut self, out: &mut [u8; SLACK]) -> Result<usize> {
        self.check_unfinished()?;
        let decrypts_aead = self.kind.is_aead() && self.direction == Direction::Decrypt;
        let written = if self.kind == Kind::AeadOneShot {
            if self.phase == Phase::Start {
                self.whole_message(&[], out)?;
            }
            Ok(0)
        } else {
            if decrypts_aead {
                let tag = self.expected_tag()?;
                self.ctx.set_tag(&tag)?;
            }
            let (code, what) = self.failure();
            self.ctx.finish(out, code, &what)
        };
        self.phase = Phase::Finished;
        let written = written?;
        if self.kind.is_aead() && self.direction == Direction::Encrypt {
            self.tag = Some(self.ctx.tag(self.tag_size)?);
        }
        Ok(written)
    }

    fn expected_tag(&self) -> Result<Vec<u8>> {
        self.tag.clone().ok_or_else(|| self.wrong_state("has not been given the tag yet"))
    }

    /// What it means if the text cannot be ended.
    fn failure(&self) -> (Code, String) {
        let name = &self.name;
        match (self.direction, self.kind) {
            (Direction::Encrypt, _) => {
                (Code::Config, format!("the cipher \"{name}\" cannot end the text here: is it whole blocks?"))
            }
            (Direction::Decrypt, Kind::Plain | Kind::OneShot) => (
                Code::Config,
                format!("the cipher \"{name}\" cannot end the text: another key, or the text is damaged"),
            ),
            (Direction::Decrypt, _) => (
                Code::Verify,
                format!("the tag of \"{name}\" does not fit: another key, or text or additional data were changed"),
            ),
        }
    }
}
