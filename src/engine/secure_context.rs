//! Secure contexts: what the engine's connections share.

use crate::{
    certificate::Certificate,
    error::{Code, Error, Result},
    ossl::{
        bio::MemReader,
        crl::Crl,
        ctx::{Ctx, Method},
        engine::Engine,
        engine_hooks,
        ssl::{Ask, Role},
        x509::X509,
    },
    pem::{self, Format},
    pkcs12::Pkcs12,
    private_key::PrivateKey,
    session::{Scope, ScopeBuilder},
    system_cas::SystemCas,
};
use std::{
    ffi::{CStr, CString},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::method;

/// A secure context, until it is closed. Connections made from it live on.
pub struct SecureContext(Mutex<Option<Open>>);

struct Open {
    ctx: Ctx,
    method: Method,
    /// What decides about peers so far.
    trust: Scope,
    /// The session id context that the caller has chosen.
    session_id_context: Vec<u8>,
}

impl Open {
    /// Sessions from before a change of whom the context trusts are not resumed after it.
    fn narrow(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.trust = self.trust.with(name, value)?;
        Ok(())
    }

    fn add_ca(&mut self, ca: &X509) -> Result<()> {
        self.ctx.add_ca(ca)?;
        self.narrow("CA", &ca.der_with_trust()?)
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
        engine_hooks::attach(&mut ctx);
        let trust = ScopeBuilder::new()?.finish()?;
        let open = Open { ctx, method: meaning.method, trust, session_id_context: Vec::new() };
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
            cas.add_to(&mut open.ctx.store())?;
            open.narrow("system's CAs", cas.fingerprint().as_bytes())
        })
    }

    /// Trusts the first certificate of a PEM text.
    pub fn add_ca_cert(&self, pem: &[u8]) -> Result<()> {
        let ca = Certificate::from_bytes(pem, Format::Pem)?;
        self.with(|open| open.add_ca(ca.x509()))
    }

    /// Adds the revocation lists of a PEM text, all or none, and demands one for each certificate of a chain.
    pub fn add_crl(&self, text: &[u8]) -> Result<()> {
        let crls = Crl::all_from_pem(&MemReader::new(text)?)?;
        if pem::has_cut_line(text) {
            return Err(Error::new(Code::Config, "a CRL is damaged: its BEGIN line is cut off"));
        }
        if crls.is_empty() {
            return Err(pem::lacks("X509 CRL", text));
        }
        self.with(|open| {
            open.ctx.add_crls(&crls)?;
            open.narrow("CRLs", text)
        })
    }

    /// Proves possession with the first private key of a PEM text.
    pub fn set_key(&self, pem: &[u8], passphrase: Option<&CStr>) -> Result<()> {
        let key = PrivateKey::from_bytes(pem, Format::Pem, passphrase)?;
        self.with(|open| open.ctx.use_key(key.pkey()))
    }

    /// Presents the certificates of a PEM text, the leaf first.
    pub fn set_cert(&self, pem: &[u8]) -> Result<()> {
        let chain = Certificate::all_from_pem(pem)?;
        let chain: Vec<X509> = chain.iter().map(|certificate| certificate.x509().clone()).collect();
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(pem::lacks("certificate", pem));
        };
        self.with(|open| {
            open.ctx.use_chain(leaf, &[])?;
            open.ctx.clear_chain();
            open.ctx.use_chain(leaf, rest)
        })
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
            open.ctx.use_chain(certificate.x509(), &[])?;
            open.ctx.clear_chain();
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
        self.with(|open| match open.ctx.set_options(options) & options == options {
            true => Ok(()),
            false => Err(Error::new(Code::Unsupported, "this OpenSSL does not take all of these options")),
        })
    }

    /// A connection's TLS.
    pub fn engine(&self, role: Role, ask: Ask) -> Result<Engine> {
        self.with(|open| {
            match (open.method, role) {
                (Method::TlsServer, Role::Client) => return Err(wrong_end("server", "client")),
                (Method::TlsClient, Role::Server) => return Err(wrong_end("client", "server")),
                _ => {}
            }
            if open.ctx.lacks_key() {
                let message = "the secure context has a certificate, but no private key that belongs to it";
                return Err(Error::new(Code::Config, message));
            }
            let mut engine = Engine::new(&open.ctx, role, ask)?;
            // A session made without the client's certificate must not be resumed where one is demanded.
            let scope = open
                .trust
                .with("caller's", &open.session_id_context)?
                .with("ask", format!("{ask:?}").as_bytes())?;
            engine.set_session_id_context(scope.as_bytes())?;
            Ok(engine)
        })
    }

    /// A further reference to what connections use.
    pub fn ctx(&self) -> Result<Ctx> {
        self.with(|open| Ok(open.ctx.another()))
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
