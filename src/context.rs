//! From settings to an SSL_CTX: built once, and shared by all connections whose settings are equal.

use crate::{
    certificate::Certificate,
    config::{Config, Identity, Verify},
    error::{Code, Error, Result},
    ossl::{
        ctx::{Ctx, SystemCas},
        x509::X509,
    },
    protocol::Versions,
};
use std::{
    ffi::CString,
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
};

/// How many contexts stay alive without a config or connection that uses them.
const KEPT: usize = 8;

/// The settings that matter to an SSL_CTX, and to whom its sessions may be resumed by.
#[derive(Clone, PartialEq)]
struct Key {
    versions: Versions,
    identity: Option<Identity>,
    cas: Vec<Certificate>,
    accepted: Option<Vec<Certificate>>,
    verify: Verify,
    client_certificate: crate::config::ClientCertificate,
    cipher_list: Option<CString>,
    cipher_suites: Option<CString>,
    groups: Option<CString>,
    /// Where the system's CAs are looked for, if they are used.
    system_cas: Option<SystemCas>,
}

/// An SSL_CTX and what it was made from.
pub struct Context {
    ctx: Ctx,
    key: Key,
    /// How the reading of the system's CAs went, once somebody needed them.
    system_trust: OnceLock<Result<()>>,
}

/// The contexts in use, and the latest of those without a private key, which outlive their users.
struct Cache {
    known: Vec<Weak<Context>>,
    kept: Vec<Arc<Context>>,
}

/// Read by every connection that brings its own settings, without waiting for one another; written by the first of
/// each kind.
static CACHE: RwLock<Cache> = RwLock::new(Cache { known: Vec::new(), kept: Vec::new() });

impl Context {
    /// The context for these settings: a known one if there is one.
    pub fn shared(config: &Config) -> Result<Arc<Context>> {
        let key = Key::of(config);
        if let Some(context) = find(&key) {
            return Ok(context);
        }
        let context = Arc::new(Context { ctx: build(&key)?, key, system_trust: OnceLock::new() });
        // Who has a certificate is most likely a server, which asks its clients for none unless told so: reading the
        // system's CAs takes longer than anything else here.
        if context.key.identity.is_none() {
            context.prepare_to_verify()?;
        }
        Ok(remember(context))
    }

    /// To be called before any connection that verifies its peer: reads the system's CAs, if they are the ones to trust
    /// and have not been read yet.
    pub fn prepare_to_verify(&self) -> Result<()> {
        if !self.key.cas.is_empty() {
            return Ok(());
        }
        self.system_trust.get_or_init(|| self.ctx.trust_system()).clone()
    }

    /// OpenSSL's.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }
}

impl Key {
    fn of(config: &Config) -> Key {
        Key {
            versions: config.versions,
            identity: config.identity.clone(),
            cas: config.cas.clone(),
            accepted: config.accepted.clone(),
            verify: config.verify,
            client_certificate: config.client_certificate,
            cipher_list: config.cipher_list.clone(),
            cipher_suites: config.cipher_suites.clone(),
            groups: config.groups.clone(),
            system_cas: config.cas.is_empty().then(SystemCas::now),
        }
    }
}

fn find(key: &Key) -> Option<Arc<Context>> {
    CACHE.read().unwrap_or_else(PoisonError::into_inner).find(key)
}

impl Cache {
    fn find(&self, key: &Key) -> Option<Arc<Context>> {
        self.known.iter().filter_map(Weak::upgrade).find(|context| context.key == *key)
    }
}

/// Puts a context in the cache, unless another thread was faster: then theirs it is.
fn remember(context: Arc<Context>) -> Arc<Context> {
    let mut cache = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(theirs) = cache.find(&context.key) {
        drop(cache);
        return theirs;
    }
    cache.known.retain(|known| known.strong_count() > 0);
    cache.known.push(Arc::downgrade(&context));
    let mut dropped = None;
    if context.key.identity.is_none() {
        if cache.kept.len() == KEPT {
            dropped = Some(cache.kept.remove(0));
        }
        cache.kept.push(context.clone());
    }
    // Freeing a context takes time: not under the lock.
    drop(cache);
    drop(dropped);
    context
}

fn build(key: &Key) -> Result<Ctx> {
    let bounds = key.versions.bounds()?;
    let datagram = key.versions.protocol.is_datagram();
    let mut ctx = Ctx::new(datagram)?;
    if key.versions.is_legacy_only() {
        // Asked for by name; above level 0 OpenSSL would refuse every connection.
        ctx.set_security_level(0);
    }
    // A system that is stricter than our default stays so.
    let min = if key.versions.is_default() { bounds.min.max(ctx.min_version()) } else { bounds.min };
    if !ctx.set_versions(min, bounds.max) || !(datagram || ctx.can_begin_handshakes()) {
        return Err(key.versions.unsupported());
    }
    if let Some(list) = &key.cipher_list {
        ctx.set_cipher_list(list)?;
    }
    if let Some(suites) = &key.cipher_suites {
        ctx.set_cipher_suites(suites)?;
    }
    let own_ciphers = key.cipher_list.is_some() || key.cipher_suites.is_some();
    // With several versions it is clients only that OpenSSL wants to have a cipher for the highest.
    if own_ciphers && bounds.min == bounds.max && !datagram && !ctx.has_fitting_ciphers() {
        return Err(Error::new(Code::Config, "none of the ciphers is one for the protocol version"));
    }
    if let Some(groups) = &key.groups {
        ctx.set_groups(groups)?;
    }
    if let Some(Identity { chain, key }) = &key.identity {
        if let Some((leaf, rest)) = chain.split_first() {
            ctx.use_certificate(leaf.x509(), &x509s(rest), key.pkey())?;
        }
    }
    if !key.cas.is_empty() {
        let cas = x509s(&key.cas);
        ctx.trust(&cas)?;
        ctx.name_cas_to_clients(&cas)?;
    }
    ctx.set_session_id_context(b"bglssl")?;
    Ok(ctx)
}

fn x509s(certificates: &[Certificate]) -> Vec<X509> {
    certificates.iter().map(|certificate| certificate.x509().clone()).collect()
}
