//! The client hello as a value: what a server knows of a client before it decides how to serve it.

use crate::{
    error::{Code, Error, Result},
    ossl::crypto::md,
};

pub use collector::{Fragments, Progress, Records};
pub use fingerprint::is_grease;
pub use message::Hello;
pub use server::ServerHello;

mod collector;
mod disagreement;
pub mod explained;
mod fingerprint;
mod message;
pub mod names;
mod server;

impl Hello {
    /// The hello that a collected message is.
    pub fn of(message: Vec<u8>, datagrams: bool) -> Result<Hello> {
        Hello::parse(message, datagrams)
            .map_err(|_| Error::new(Code::Protocol, "the client's hello is not as the protocol has it"))
    }

    /// The fingerprint of this kind, "ja4" or "ja4_r".
    pub fn fingerprint(&self, kind: &str) -> Result<String> {
        match kind {
            "ja4" => fingerprint::ja4(self, Some(&digest)),
            "ja4_r" => fingerprint::ja4(self, None),
            _ => Err(Error::argument(format!("no fingerprint is called \"{}\"", kind.escape_debug()))),
        }
    }
}

/// The first 12 digits of SHA-256.
fn digest(text: &str) -> Result<String> {
    Ok(md::sha256(text.as_bytes())?.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_digest_of_ja4_s_description() {
        let ciphers = "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9";
        assert_eq!(digest(ciphers).unwrap(), "8daaf6152771");
    }
}
