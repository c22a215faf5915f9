//! A client's connection that resumes by itself: where it has its session from, and what becomes of those that it gets.

use crate::{
    error::Result,
    ossl::{
        bio_backend::BioBackend,
        session::{
            self,
            resumable::{NewSessions, Session},
        },
        ssl::connection::Ssl,
    },
};

use super::{
    cache::{self, Key},
    scope::Scope,
};

/// The part of a connection that deals with it.
pub struct Resumption {
    destination: Destination,
    /// What was offered to the server.
    offered: Option<session::Session>,
    /// Whether that is kept already.
    is_kept: bool,
}

/// Where the sessions of a connection are kept.
#[derive(Clone, Copy)]
struct Destination {
    key: Key,
    /// What the cache said when the connection was made.
    forgotten: u64,
}

impl NewSessions for Destination {
    fn add(&self, session: Session) {
        cache::add(&self.key, session, self.forgotten);
    }
}

impl Resumption {
    /// For a connection to a port of a host, which offers these protocols (ALPN), may go through a proxy, and whose sessions
    /// are of this scope. Servers must not learn from a ticket that a client comes by another way, too.
    /// Where `may_offer`, a session that is there is offered.
    pub fn begin<B: BioBackend>(
        tls: &mut Ssl<B>,
        scope: &Scope,
        (host, port): (&str, u16),
        (alpn, proxy): (&[u8], Option<&[u8]>),
        may_offer: bool,
    ) -> Result<Resumption> {
        let place = format!("{port} {}", host.to_ascii_lowercase());
        let key = scope.with("place", place.as_bytes())?.with("ALPN", alpn)?;
        let key = proxy.map_or(Ok(key), |proxy| key.with("proxy", proxy))?;
        let (found, forgotten) = cache::take(&key, may_offer);
        let destination = Destination { key, forgotten };
        tls.set_new_sessions(Box::new(destination));
        // The scope is in the session, too: what another scope has made is never offered.
        let found = found.filter(|found| found.session.id_context() == scope.as_bytes());
        let offered = found.map(|found| tls.resume(&found)).transpose()?;
        Ok(Resumption { destination, offered, is_kept: true })
    }

    /// The program has given the connection this session.
    pub fn offers(&mut self, session: session::Session) {
        self.offered = Some(session);
        self.is_kept = false;
    }

    /// The handshake is complete.
    pub fn complete<B: BioBackend>(&self, tls: &Ssl<B>) {
        // The server has forgotten what it gave, or its keys.
        if self.offered.is_some() && !tls.session_reused() {
            cache::forget(&self.destination.key);
        }
        let current = tls.session().map(|session| session.as_ptr());
        if self.is_kept && current == self.offered.as_ref().map(session::Session::as_ptr) {
            return;
        }
        // Those of TLS 1.3 come later.
        if let Ok(Some(session)) = tls.resumable() {
            if !session.session.is_for_one_use() {
                self.destination.add(session);
            }
        }
    }

    /// The connection has failed for a reason that may be in its session, or in who the peer is.
    pub fn fail(&self) {
        cache::forget(&self.destination.key);
    }
}
