//! Secure contexts: what the engine's connections share.

use crate::{
    error::{Code, Error, Result},
    ossl::{
        ctx::{Ctx, Method},
        engine::{
            callbacks,
            connection::Engine,
            trust::{Terms, Trust},
        },
        x509::X509,
    },
    pki::{
        certificate::Certificate,
        crl::Crls,
        pem::{self, Format},
        pkcs12::Pkcs12,
        private_key::PrivateKey,
    },
    session::{Scope, ScopeBuilder, TicketKeys},
    types::{ClientAuth, Role},
    verify::SystemCas,
};
use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::method;

/// A secure context, until it is closed. Connections made from it live on.
pub struct SecureContext(Mutex<Option<Open>>);

struct Open {
    ctx: Ctx,
    method: Method,
    /// What decides about peers and connections so far.
    scope: Scope,
    /// The changes of it, for the connections that there are.
    terms: Arc<Terms>,
    /// The session id context that the caller has chosen.
    session_id_context: Vec<u8>,
    /// The certificates that are presented, one of each type of key.
    leaves: Vec<X509>,
    /// A key that does not belong to any of them, but may to the next one.
    spare_key: Option<PrivateKey>,
    /// The keys of tickets.
    ticket_keys: Arc<TicketKeys>,
    /// The CAs' names that are sent to clients, and how many bytes they have.
    ca_names: (HashSet<Vec<u8>>, usize),
}

impl Open {
    /// To be called before a change: sessions from before it are not resumed after it, also if the change fails halfway.
    fn narrow(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.scope = self.scope.with(name, value)?;
        self.terms.change();
        Ok(())
    }

    fn add_ca(&mut self, ca: &X509) -> Result<()> {
        self.narrow("CA", &ca.der_with_trust()?)?;
        self.terms.note_rejected([ca]);
        self.ctx.add_ca(ca)?;
        self.name_to_clients(ca)
    }

    /// Names a CA to clients that are asked for a certificate, once. Where the names do not fit into a message any more,
    /// none are sent, and clients choose by themselves.
    fn name_to_clients(&mut self, ca: &X509) -> Result<()> {
        const SPACE: usize = 60_000;
        let name = ca.subject_der()?;
        let (names, bytes) = &mut self.ca_names;
        let len = name.len() + 2;
        if *bytes > SPACE || !names.insert(name) {
            return Ok(());
        }
        *bytes += len;
        if *bytes > SPACE {
            self.ctx.name_no_cas_to_clients();
            return Ok(());
        }
        self.ctx.name_cas_to_clients(std::slice::from_ref(ca))
    }

    fn present(&mut self, leaf: &X509, rest: &[X509]) -> Result<()> {
        self.narrow("own certificate", &leaf.der()?)?;
        self.ctx.use_chain(leaf, &[])?;
        self.ctx.clear_chain();
        self.ctx.use_chain(leaf, rest)?;
        let kind = leaf.key_type()?;
        self.leaves.retain(|earlier| earlier.key_type().is_ok_and(|earlier| earlier != kind));
        self.leaves.push(leaf.clone());
        match self.spare_key.take() {
            Some(key) => self.prove_with(key),
            None => Ok(()),
        }
    }

    /// Proves possession with this key, or keeps it for the next certificate.
    fn prove_with(&mut self, key: PrivateKey) -> Result<()> {
        self.spare_key = None;
        let mut belongs = self.leaves.is_empty();
        for leaf in &self.leaves {
            belongs |= leaf.matches(key.pkey())?;
        }
        if belongs {
            return self.ctx.use_own_key(key.pkey());
        }
        self.spare_key = Some(key);
        Ok(())
    }

    /// Whom a connection trusts. A session that was made without the client's certificate must not be resumed where one
    /// is demanded, nor one from a connection to a server by a client.
    fn trust(&self, role: Role, ask: ClientAuth) -> Result<(Trust, Scope)> {
        let scope = self
            .scope
            .with("caller's", &self.session_id_context)?
            .with("connection", format!("{role:?} {ask:?}").as_bytes())?;
        Ok((Trust::new(self.terms.clone(), scope.as_bytes()), scope))
    }

    fn check_end(&self, role: Role) -> Result<()> {
        match (self.method, role) {
            (Method::TlsServer, Role::Client) => Err(wrong_end("server", "client")),
            (Method::TlsClient, Role::Server) => Err(wrong_end("client", "server")),
            _ => Ok(()),
        }
    }
}

impl SecureContext {
    /// A context for the connections that `method`, such as "default" or "TLSv1_2_server_method", allows.
    pub fn new(name: &str) -> Result<SecureContext> {
        let meaning = method::meaning(name)?;
        let pinned = meaning.bounds.min == meaning.bounds.max && meaning.bounds.min != 0;
        if pinned && !bounded(Method::Tls, &meaning)?.is_some_and(|ctx| ctx.can_begin_handshakes()) {
            return Err(method::unsupported(name));
        }
        let mut ctx = bounded(meaning.method, &meaning)?.ok_or_else(|| method::unsupported(name))?;
        callbacks::attach(&mut ctx)?;
        let mut scope = ScopeBuilder::new()?;
        scope.add("method", name.as_bytes())?;
        let open = Open {
            ctx,
            method: meaning.method,
            scope: scope.finish()?,
            terms: Arc::default(),
            session_id_context: Vec::new(),
            leaves: Vec::new(),
            spare_key: None,
            ticket_keys: Arc::new(TicketKeys::random(None)?),
            ca_names: (HashSet::new(), 0),
        };
        Ok(SecureContext(Mutex::new(Some(open))))
    }

    /// Lets go of it; a second time does nothing.
    pub fn close(&self) {
        let closed = self.lock().take();
        // Freeing takes time: not under the lock.
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, body: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        match self.lock().as_mut() {
            Some(open) => body(open),
            None => Err(Error::new(Code::State, "the secure context is closed")),
        }
    }

    /// Trusts the system's CAs.
    pub fn add_root_certs(&self) -> Result<()> {
        let cas = SystemCas::now();
        self.with(|open| {
            open.narrow("system's CAs", cas.fingerprint().as_bytes())?;
            open.terms.note_rejected(cas.certificates()?.iter().map(Certificate::x509));
            cas.add_to(&mut open.ctx.store())
        })
    }

    /// Trusts the first certificate of a PEM text.
    pub fn add_ca_cert(&self, pem: &[u8]) -> Result<()> {
        let ca = Certificate::from_bytes(pem, Format::Pem)?;
        self.with(|open| open.add_ca(ca.x509()))
    }

    /// Adds the revocation lists of a PEM text, all or none, and demands one for each certificate of a chain.
    pub fn add_crl(&self, text: &[u8]) -> Result<()> {
        let crls = Crls::from_bytes(text, Format::Pem)?;
        self.with(|open| {
            open.narrow("CRLs", crls.digest())?;
            open.terms.add_crls(crls.lists());
            open.ctx.add_crls(crls.lists())
        })
    }

    /// Proves possession with the first private key of a PEM text. One of another certificate is for the certificate that is
    /// set next; a handshake before that tells.
    pub fn set_key(&self, pem: &[u8], passphrase: Option<&CStr>) -> Result<()> {
        let key = PrivateKey::from_bytes(pem, Format::Pem, passphrase)?;
        self.with(|open| open.prove_with(key))
    }

    /// Presents the certificates of a PEM text, the leaf first.
    pub fn set_cert(&self, pem: &[u8]) -> Result<()> {
        let chain = Certificate::all_from_pem(pem)?;
        let chain: Vec<X509> = chain.iter().map(|certificate| certificate.x509().clone()).collect();
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(pem::lacks("certificate", pem));
        };
        self.with(|open| open.present(leaf, rest))
    }

    /// Sessions of one id context are not resumed in another, beside what else keeps them apart.
    pub fn set_session_id_context(&self, id: &[u8]) -> Result<()> {
        const MOST: usize = 32;
        if id.len() > MOST {
            return Err(Error::argument(format!(
                "a session id context has at most {MOST} bytes, not {}",
                id.len()
            )));
        }
        self.with(|open| {
            open.session_id_context = id.to_vec();
            Ok(())
        })
    }

    /// Presents and trusts what a PKCS#12 text holds: the key, its certificate, and the others as CAs.
    pub fn load_pkcs12(&self, pfx: &[u8], passphrase: Option<&CStr>) -> Result<()> {
        let contents = Pkcs12::from_bytes(pfx, passphrase)?;
        let (key, certificate) = (contents.key()?, contents.certificate()?);
        self.with(|open| {
            open.present(certificate.x509(), &[])?;
            open.ctx.use_key(key.pkey())?;
            // What leads from the certificate to a CA is found among these when it is sent.
            contents.chain.iter().try_for_each(|ca| open.add_ca(ca.x509()))
        })
    }

    /// Sets the ciphers: names and rules for TLS 1.2 and before, suites of TLS 1.3 by their names. Those of a kind
    /// that the list does not mention stay as they are.
    pub fn set_ciphers(&self, list: &CStr) -> Result<()> {
        let list = list.to_str().map_err(|_| Error::argument("the cipher list is not UTF-8"))?;
        let names = list.split([':', ',', ' ']).filter(|name| !name.is_empty());
        let (suites, ciphers): (Vec<&str>, Vec<&str>) = names.partition(|name| name.starts_with("TLS_"));
        let joined = |names: &[&str]| CString::new(names.join(":")).map_err(|_| Error::argument("a NUL"));
        self.with(|open| {
            if suites.is_empty() && ciphers.is_empty() {
                return Err(Error::new(Code::Config, "the cipher list is empty"));
            }
            open.narrow("ciphers", list.as_bytes())?;
            if !suites.is_empty() {
                open.ctx.set_cipher_suites(&joined(&suites)?)?;
            }
            if !ciphers.is_empty() {
                open.ctx.set_cipher_list(&joined(&ciphers)?)?;
            }
            Ok(())
        })
    }

    /// Sets option bits.
    pub fn set_options(&self, options: u64) -> Result<()> {
        self.with(|open| {
            open.narrow("options", &options.to_be_bytes())?;
            match open.ctx.set_options(options) & options == options {
                true => Ok(()),
                false => Err(Error::new(Code::Unsupported, "this OpenSSL does not take all of these options")),
            }
        })
    }

    /// A connection's TLS, and the scope of its sessions.
    pub fn engine(&self, role: Role, ask: ClientAuth) -> Result<(Engine, Scope)> {
        self.with(|open| {
            open.check_end(role)?;
            let (trust, scope) = open.trust(role, ask)?;
            Ok((Engine::new(&open.ctx, role, ask, trust, open.ticket_keys.clone())?, scope))
        })
    }

    /// What a server's connection goes on with that switches to this context.
    pub fn to_switch_to(&self, ask: ClientAuth) -> Result<(Ctx, Trust)> {
        self.with(|open| {
            open.check_end(Role::Server)?;
            let (trust, _) = open.trust(Role::Server, ask)?;
            Ok((open.ctx.another(), trust))
        })
    }
}

fn wrong_end(method: &str, end: &str) -> Error {
    Error::new(Code::Config, format!("a secure context with a {method} method makes no {end} connections"))
}

/// A context with the versions of `meaning`; None if this OpenSSL lacks them.
fn bounded(method: Method, meaning: &method::Meaning) -> Result<Option<Ctx>> {
    let mut ctx = Ctx::bare(method)?;
    if meaning.legacy {
        // Asked for by name; above level 0 OpenSSL would refuse every connection.
        ctx.set_security_level(0);
    }
    let asked = meaning.bounds.min != 0 || meaning.bounds.max != 0;
    Ok((!asked || ctx.set_versions(meaning.bounds.min, meaning.bounds.max)).then_some(ctx))
}
