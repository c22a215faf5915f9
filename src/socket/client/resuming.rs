//! Which session a client offers to its server.

use crate::{
    config::Frozen,
    error::{Code, Error, Result},
    ossl,
    session::{self, Resumption, Scope, Session},
    types::Role,
};
use std::sync::Arc;

use crate::socket::{
    Socket,
    open::{self, Parts},
    state::SocketState,
};

impl Socket {
    /// Reads a session that was written to bytes, for connections to this host.
    pub fn import_session(frozen: &Arc<Frozen>, host: &str, data: &[u8]) -> Result<Session> {
        session::import(data, &open::scope_of_client(frozen, &frozen.config.hostname_for(host)?)?)
    }

    /// Offers this session to the server, in place of one of the process's.
    pub fn set_session(&self, session: &Session) -> Result<()> {
        let mut state = self.0.driver.lock();
        state.check_usable()?;
        if state.tls.role() == Role::Server {
            return Err(Error::new(Code::State, "it is clients that offer sessions"));
        }
        if !state.tls.is_new() {
            return Err(Error::new(Code::State, "the handshake has begun"));
        }
        offer(&mut state, &self.0.scope, session)
    }

    /// Resumes by itself, if the config says so: with the sessions of this host and port, unless the program has one.
    pub(in crate::socket) fn resuming(self, place: (&str, u16), session: Option<&Session>) -> Result<Socket> {
        let Parts { driver, scope, frozen, .. } = &self.0;
        let mut state = driver.lock();
        if frozen.config.resumes() {
            let way = frozen.config.proxy.for_host(place.0, place.1).map(|proxy| proxy.identity());
            let beside = (frozen.config.alpn.as_slice(), way.as_deref());
            let resumption = Resumption::begin(&mut state.tls, scope, place, beside, session.is_none())?;
            state.resumption = Some(resumption);
        }
        session.map_or(Ok(()), |session| offer(&mut state, scope, session))?;
        drop(state);
        Ok(self)
    }
}

/// Offers a session to the server, if a full handshake would accept the same peer: it was made in the same scope, and has not
/// ended since. Otherwise the handshake will be a full one.
fn offer(state: &mut SocketState, scope: &Scope, session: &Session) -> Result<()> {
    let has_ended = ossl::now() >= session::end_of(session);
    if !has_ended && session.session.id_context() == scope.as_bytes() {
        let offered = state.tls.resume(session)?;
        if let Some(resumption) = &mut state.resumption {
            resumption.offers(offered);
        }
    }
    Ok(())
}
