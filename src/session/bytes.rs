//! Sessions as bytes, for programs that keep them: OpenSSL's own form, with what that lacks, and with what it is bound to.

use crate::{
    error::{Error, Result},
    ossl::{
        self,
        crypto::md,
        secret::Secret,
        session::{self, resumable::Session},
        x509::X509,
    },
};

use super::scope::Scope;

/// What they begin with. Its last byte changes with the form.
const MAGIC: &[u8; 8] = b"bglsess\x01";

/// No session has as many bytes, nor a chain as many certificates.
const MOST_BYTES: usize = 1 << 20;
const MOST_CERTIFICATES: usize = 100;

/// What stands before each part.
const LENGTH: usize = size_of::<u32>();

/// The bytes beside the parts: the beginning, three numbers, two lengths and the digest.
const FIXED: usize = MAGIC.len() + 3 * size_of::<u64>() + 2 * LENGTH + 32;

/// Stands for a chain that does not expire.
const NEVER: i64 = i64::MAX;

/// Writes a session. Anyone who has the bytes can impersonate both ends in it.
pub fn export(session: &Session) -> Result<Secret> {
    let chain = session.chain.iter().map(X509::der).collect::<Result<Vec<_>>>()?;
    let (der, id_context) = (session.session.der(), session.session.id_context());
    // All at once: what grows leaves copies behind.
    let certificates: usize = chain.iter().map(|certificate| LENGTH + certificate.len()).sum();
    let mut out = Vec::with_capacity(FIXED + id_context.len() + der.len() + certificates);
    out.extend(MAGIC);
    out.extend(ossl::version_number().to_be_bytes());
    out.extend(session.chain_expires.unwrap_or(NEVER).to_be_bytes());
    out.extend(session.proved.to_be_bytes());
    put(&mut out, &id_context)?;
    put(&mut out, &der)?;
    for certificate in &chain {
        put(&mut out, certificate)?;
    }
    let digest = md::sha256(&out)?;
    out.extend(digest);
    Ok(Secret::new(out))
}

/// Reads a session of this scope.
pub fn import(data: &[u8], scope: &Scope) -> Result<Session> {
    let damaged = || Error::argument("this is no session, or it is damaged");
    let (contents, digest) = data.split_last_chunk::<32>().ok_or_else(damaged)?;
    if data.len() > MOST_BYTES || md::sha256(contents)? != *digest {
        return Err(damaged());
    }
    let mut rest = contents;
    if take(&mut rest) != Some(*MAGIC) {
        return Err(damaged());
    }
    if take(&mut rest).map(u64::from_be_bytes) != Some(ossl::version_number()) {
        return Err(Error::argument("the session is one of another version of OpenSSL"));
    }
    let mut time = || take(&mut rest).map(i64::from_be_bytes).ok_or_else(damaged);
    let (chain_expires, proved) = (time()?, time()?);
    if get(&mut rest).ok_or_else(damaged)? != scope.as_bytes() {
        return Err(Error::argument("the session is one of another host, or of a config that differs"));
    }
    let session = session::Session::from_der(get(&mut rest).ok_or_else(damaged)?)?;
    if session.id_context() != scope.as_bytes() {
        return Err(damaged());
    }
    let mut chain = Vec::new();
    while !rest.is_empty() {
        if chain.len() == MOST_CERTIFICATES {
            return Err(damaged());
        }
        chain.push(X509::from_der(get(&mut rest).ok_or_else(damaged)?)?);
    }
    Ok(Session { session, chain_expires: Some(chain_expires).filter(|end| *end != NEVER), proved, chain })
}

/// Appends bytes behind their number.
fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| Error::argument("the session is too large"))?;
    out.extend(len.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

/// The next bytes that stand behind their number.
fn get<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}
