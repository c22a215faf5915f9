//! From settings to an SSL_CTX.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        ctx::{Ctx, key_log::KeyLog},
        provider::Algorithms,
        ssl::{self, staple::Staple},
        sys,
        verify::requirements::CrlCheck,
        x509::{X509, store::Store},
    },
    pki::{anchors::Anchor, certificate::Certificate, identity::Material},
    protocol::Versions,
    session::{CacheLimits, Scope, ScopeBuilder, ServerSessions},
    types::{ClientAuth, Role},
    verify::{Revocation, SystemCas, client_auth},
};
use std::{
    collections::BTreeSet,
    ffi::CString,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use super::{
    records::Records,
    requirements::Requirements,
    settings::{ClientCertificate, Config, Verify},
};

/// The settings that matter to an SSL_CTX, and to whom its sessions may be resumed by.
#[derive(Clone, PartialEq)]
pub struct Key {
    versions: Versions,
    identities: Vec<Arc<Material>>,
    cas: Option<Arc<Vec<Anchor>>>,
    accepted: Option<Vec<Certificate>>,
    verify: Verify,
    client_certificate: ClientCertificate,
    cipher_list: Option<CString>,
    cipher_suites: Option<CString>,
    groups: Option<CString>,
    signature_algorithms: Option<CString>,
    security_level: Option<i32>,
    key_log: Option<PathBuf>,
    server_preference: bool,
    records: Records,
    staple: Option<OwnStaple>,
    requirements: Requirements,
    may_be_overridden: bool,
    /// Whether servers ask their clients for certificates.
    asks_clients: bool,
    /// How many sessions servers have in memory, where they have any there: the cache is the context's.
    stored_sessions: Option<CacheLimits>,
    /// The system's CAs, where the peer is verified against them.
    system_cas: Option<SystemCas>,
    /// What OpenSSL makes it of.
    algorithms: Algorithms,
}

/// A staple is replaced while it is in use, so it is equal to itself only.
#[derive(Clone)]
struct OwnStaple(Arc<Staple>);

impl PartialEq for OwnStaple {
    fn eq(&self, other: &OwnStaple) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// An SSL_CTX and what it was made from.
pub struct Context {
    ctx: Ctx,
    key: Key,
    /// Where a session of this context may be resumed by the peer.
    scope: Scope,
    /// Where a client may resume a session of this context: servers know clients by their certificates, so each host has a
    /// scope of its own.
    client_scope: Scope,
    /// The revocation lists, if the settings name any.
    revocation: Option<Revocation>,
    /// The keys and the sessions of servers, once one has needed them.
    server_sessions: OnceLock<ServerSessions>,
    /// The system's CAs, once a connection has needed them.
    system_store: OnceLock<Arc<Store>>,
}

impl Context {
    /// Makes the context of these settings.
    pub fn new(key: Key) -> Result<Context> {
        let revocation = Revocation::new(&key.requirements.crls);
        if let Some(revocation) = &revocation {
            revocation.now()?;
        }
        let mut ctx = build(&key)?;
        let (scope, client_scope) = (key.server_scope(&ctx)?, key.client_scope(&ctx)?);
        ctx.set_session_id_context(scope.as_bytes())?;
        let (server_sessions, system_store) = (OnceLock::new(), OnceLock::new());
        Ok(Context { ctx, key, scope, client_scope, revocation, server_sessions, system_store })
    }

    /// What it was made from.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether OpenSSL would make it of the same algorithms now.
    pub fn has_algorithms(&self, now: Algorithms) -> bool {
        self.key.algorithms == now
    }

    /// Whether it presents a certificate.
    pub fn has_identity(&self) -> bool {
        !self.key.identities.is_empty()
    }

    /// Whether it holds nothing that must go with its last user: a private key, an open file.
    pub fn may_outlive_its_users(&self) -> bool {
        self.key.identities.is_empty() && self.key.key_log.is_none() && self.key.staple.is_none()
    }

    /// The system's CAs for a connection that verifies its peer; None if the config names its own, which are the
    /// SSL_CTX's, or does not verify. A failure to read them is not kept.
    pub fn system_store(&self) -> Result<Option<&Store>> {
        let Some(cas) = &self.key.system_cas else { return Ok(None) };
        if let Some(store) = self.system_store.get() {
            return Ok(Some(store));
        }
        let store = cas.store()?;
        Ok(Some(self.system_store.get_or_init(|| store)))
    }

    /// What a peer that was not verified would be verified against: the system's CAs; None if the config names its own.
    pub fn unused_store(&self) -> Result<Option<Arc<Store>>> {
        if self.key.cas.is_some() { Ok(None) } else { SystemCas::now().store().map(Some) }
    }

    /// The revocation lists of now; None if the settings name none.
    pub fn crls(&self) -> Result<Option<CrlCheck>> {
        self.revocation.as_ref().map(Revocation::now).transpose()
    }

    /// OpenSSL's.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The keys and the sessions of servers that have no others.
    pub fn server_sessions(&self) -> Result<ServerSessions> {
        if let Some(sessions) = self.server_sessions.get() {
            return Ok(sessions.clone());
        }
        let sessions = ServerSessions::new()?;
        Ok(self.server_sessions.get_or_init(|| sessions).clone())
    }

    /// Where sessions of this context's servers may be resumed.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Where sessions of this context's clients may be resumed.
    pub fn client_scope(&self) -> &Scope {
        &self.client_scope
    }

    /// Whether the config names CAs of its own.
    pub fn has_own_cas(&self) -> bool {
        self.key.cas.is_some()
    }
}

impl Key {
    /// Those of these settings, with these of its identities.
    pub fn of(config: &Config, identities: &[Arc<Material>]) -> Key {
        let cas = config.cas.as_ref().map(|cas| cas.current());
        let by_system = config.cas.is_none() && config.verify != Verify::None && config.requirements.need_cas();
        // The staple is about one certificate, and clients refuse it beside another.
        let first = config.identities.first().map(|identity| identity.current());
        let is_the_first = matches!((identities, &first), ([one], Some(first)) if one == first);
        Key {
            versions: config.versions,
            identities: identities.to_vec(),
            cas,
            accepted: config.accepted.clone(),
            verify: config.verify,
            client_certificate: config.client_certificate,
            cipher_list: config.cipher_list.clone(),
            cipher_suites: config.cipher_suites.clone(),
            groups: config.groups.clone(),
            signature_algorithms: config.signature_algorithms.clone(),
            security_level: config.security_level,
            key_log: config.key_log.clone(),
            server_preference: config.server_preference,
            records: config.records,
            staple: config.staple.clone().filter(|_| is_the_first).map(OwnStaple),
            requirements: config.requirements.clone(),
            may_be_overridden: config.may_be_overridden(),
            asks_clients: client_auth(config, Role::Server) != ClientAuth::No,
            stored_sessions: config.sessions.uses_cache().then_some(config.sessions.cache),
            system_cas: by_system.then(SystemCas::now),
            algorithms: Algorithms::now(),
        }
    }

    /// A certificate of its own decides about how a client is treated, so sessions are of one certificate. A server's does
    /// not, and is replaced while its sessions last.
    fn client_scope(&self, ctx: &Ctx) -> Result<Scope> {
        let mut own = Vec::new();
        for certificate in self.identities.iter().flat_map(|identity| &identity.chain) {
            own.extend(certificate.x509().der()?);
        }
        self.scope(ctx, true)?.with("own certificates", &own)
    }

    /// Whom a server would trust matters only if it asks. Otherwise its sessions are good on other machines, whose
    /// system's CAs are others.
    ///
    /// The names of its certificates matter: who resumes a session takes its server for the one that has shown that it
    /// has these names. A renewed certificate has the same.
    fn server_scope(&self, ctx: &Ctx) -> Result<Scope> {
        let mut names = BTreeSet::new();
        for identity in &self.identities {
            names.extend(identity.known_by()?);
        }
        let mut scope = self.scope(ctx, self.asks_clients)?;
        for name in names {
            scope = scope.with("own name", &name)?;
        }
        Ok(scope)
    }

    /// The scope of the versions and ciphers, so that a session never brings back one that is not allowed any more, and of
    /// everything that decides about peers, where that matters.
    fn scope(&self, ctx: &Ctx, verifies: bool) -> Result<Scope> {
        let mut scope = ScopeBuilder::new()?;
        let policy = format!("{:?}", (&self.versions, &self.cipher_list, &self.cipher_suites));
        scope.add("policy", policy.as_bytes())?;
        scope.add("groups", self.groups.as_ref().map_or(&b""[..], |groups| groups.as_bytes()))?;
        let algorithms = format!("{:?}", (&self.signature_algorithms, self.security_level));
        scope.add("algorithms", algorithms.as_bytes())?;
        // A session keeps the length that its first handshake agreed on (RFC 6066, section 4).
        if let Some(length) = self.records.max_fragment_length {
            scope.add("max fragment length", &length.to_be_bytes())?;
        }
        if !verifies {
            scope.add("peers", b"any")?;
            return scope.finish();
        }
        let demands =
            format!("{:?}", (self.verify, self.client_certificate, &self.requirements, self.may_be_overridden));
        scope.add("demands", demands.as_bytes())?;
        // The settings may leave these to the system, which may have been laxer when a session was made.
        let by_system = format!("{:?}", (ctx.security_level(), self.algorithms.are_fips()));
        scope.add("keys and algorithms", by_system.as_bytes())?;
        if let Some(cas) = &self.cas {
            scope.add("own CAs", b"")?;
            for ca in cas.iter() {
                scope.add("CA", &ca.0.x509().der_with_trust()?)?;
            }
        }
        if let Some(cas) = &self.system_cas {
            scope.add("system's CAs", cas.fingerprint().as_bytes())?;
        }
        if let Some(accepted) = &self.accepted {
            scope.add("accepted list", b"")?;
            for certificate in accepted {
                scope.add("accepted", &certificate.x509().der()?)?;
            }
        }
        scope.finish()
    }
}

fn build(key: &Key) -> Result<Ctx> {
    let mut ctx = ssl::context::new(key.versions.protocol.is_datagram())?;
    if key.stored_sessions.is_some() {
        ctx.store_server_sessions();
    }
    match key.security_level {
        Some(level) => ctx.set_security_level(level),
        // Asked for by name; above level 0 OpenSSL would refuse every connection.
        None if key.versions.is_legacy_only() => ctx.set_security_level(0),
        None => (),
    }
    set_versions_and_ciphers(&mut ctx, key)?;
    if let Some(groups) = &key.groups {
        ctx.set_groups(groups)?;
    }
    if let Some(list) = &key.signature_algorithms {
        ctx.set_signature_algorithms(list)?;
    }
    if key.server_preference {
        ctx.prefer_own_ciphers();
    }
    set_records(&mut ctx, key.records)?;
    if let Some(path) = &key.key_log {
        ctx.log_keys(KeyLog::open(path)?)?;
    }
    if let Some(staple) = &key.staple {
        ctx.set_staple(staple.0.clone())?;
    }
    for Material { chain, key, .. } in key.identities.iter().map(Arc::as_ref) {
        if let Some((leaf, rest)) = chain.split_first() {
            ctx.use_certificate(leaf.x509(), &x509s(rest), key.pkey())?;
        }
    }
    if let Some(cas) = &key.cas {
        let cas: Vec<X509> = cas.iter().map(|anchor| anchor.0.x509().clone()).collect();
        ctx.trust(&cas)?;
        ctx.name_cas_to_clients(&cas)?;
    }
    if !key.requirements.tlsa.is_empty() {
        ctx.enable_dane()?;
    }
    Ok(ctx)
}

fn set_versions_and_ciphers(ctx: &mut Ctx, key: &Key) -> Result<()> {
    let bounds = key.versions.bounds()?;
    let datagram = key.versions.protocol.is_datagram();
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
    let has_one_version = min == bounds.max || (min == sys::TLS1_3_VERSION && bounds.max == 0);
    // With several versions it is clients only that OpenSSL wants to have a cipher for the highest.
    if own_ciphers && has_one_version && !datagram && !ctx.has_fitting_ciphers() {
        return Err(Error::new(Code::Config, "none of the ciphers is one for the protocol version"));
    }
    Ok(())
}

fn set_records(ctx: &mut Ctx, records: Records) -> Result<()> {
    if let Some(size) = records.size {
        ctx.set_record_size(size)?;
    }
    if let Some(length) = records.max_fragment_length {
        ctx.set_max_fragment_length(length)?;
    }
    if records.padding > 0 {
        ctx.set_padding(records.padding)?;
    }
    Ok(())
}

fn x509s(certificates: &[Certificate]) -> Vec<X509> {
    certificates.iter().map(|certificate| certificate.x509().clone()).collect()
}
