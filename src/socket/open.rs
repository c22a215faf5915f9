//! Making the parts of a socket from a config and what the socket is over.

use crate::{
    config::{Choice, Config, Frozen, ServerName, Verify},
    error::{Code, Error, Result},
    hostname::Hostname,
    posix,
    session::{Scope, ServerSessions},
    transport::{Tls, channel::Channel, endpoint::Endpoint},
};
use std::{
    ffi::{CStr, CString},
    sync::Arc,
    time::Instant,
};

use super::{
    callback_state::ClientParts,
    driver::Driver,
    peer::Peer,
    server::{
        counts::Tally,
        serving::{Serving, client_scope, new_tls},
    },
    state::SocketState,
    timeouts::Timeouts,
};

/// What a socket is made of.
pub struct Parts {
    pub driver: Arc<Driver>,
    /// The SNI that a client sends.
    pub sent_name: Option<CString>,
    /// Where its sessions may be resumed.
    pub scope: Scope,
    pub frozen: Arc<Frozen>,
    /// How it was made; servers may choose otherwise before the handshake.
    pub choice: Choice,
    /// The process that made it, and ends the connection with it; None for one that ends nothing.
    pub made_by: Option<u32>,
}

/// The parts of a client's socket.
pub fn client(
    frozen: &Arc<Frozen>,
    endpoint: impl Into<Endpoint>,
    hostname: Option<Hostname>,
    peer: Peer,
) -> Result<Parts> {
    let endpoint = endpoint.into();
    let choice = frozen.default_choice()?;
    let (mut tls, scope) = new_tls(&choice, &endpoint, None)?;
    let sent_name = server_name(&frozen.config.server_name, hostname.as_ref());
    let scope = with_names(&scope, hostname.as_ref(), sent_name.as_deref())?;
    tls.set_session_id_context(scope.as_bytes())?;
    set_up_client(&mut tls, &frozen.config, hostname.as_ref(), sent_name.as_deref())?;
    let parts = assemble(frozen, choice, (tls, scope), None, endpoint, peer)?;
    if frozen.config.verify_callback.is_some() {
        let (sent_name, frozen, choice) = (sent_name.clone(), frozen.clone(), parts.choice.clone());
        let client = Box::new(ClientParts { sent_name, scope, frozen, choice });
        parts.driver.verify_callback.client.get_or_init(|| client);
    }
    Ok(Parts { sent_name, ..parts })
}

/// The names count also where they are not verified: they name the server that the session is of.
fn with_names(scope: &Scope, hostname: Option<&Hostname>, sent_name: Option<&CStr>) -> Result<Scope> {
    scope.with("host", format!("{:?}", (hostname, sent_name)).as_bytes())
}

/// Where the sessions of clients' connections to a host may be resumed.
pub fn scope_of_client(frozen: &Arc<Frozen>, hostname: &Hostname) -> Result<Scope> {
    let choice = frozen.default_choice()?;
    let sent_name = server_name(&frozen.config.server_name, Some(hostname));
    let scope = client_scope(&choice, choice.context.crls()?.as_ref())?;
    with_names(&scope, Some(hostname), sent_name.as_deref())
}

/// The parts of a server's socket, whose sessions are like this.
pub fn server(
    frozen: &Arc<Frozen>,
    sessions: &ServerSessions,
    tally: Option<Tally>,
    endpoint: impl Into<Endpoint>,
    peer: Peer,
) -> Result<Parts> {
    let endpoint = endpoint.into();
    let choice = frozen.default_choice()?;
    let made = new_tls(&choice, &endpoint, Some(sessions))?;
    let serving = Serving::new(frozen, choice.clone(), sessions.clone(), tally, &endpoint);
    assemble(frozen, choice, made, Some(Box::new(serving)), endpoint, peer)
}

fn assemble(
    frozen: &Arc<Frozen>,
    choice: Choice,
    (mut tls, scope): (Tls, Scope),
    serving: Option<Box<Serving>>,
    endpoint: Endpoint,
    peer: Peer,
) -> Result<Parts> {
    let channel = Channel::new(frozen.medium(), &mut tls, &frozen.config, Instant::now());
    let driver =
        Driver::new(SocketState::new(tls, channel, serving), endpoint, Timeouts::new(&frozen.config), peer);
    if let Some(trace) = &frozen.config.trace {
        driver.set_trace(Some(trace.clone()));
    }
    Ok(Parts {
        driver: Arc::new(driver),
        sent_name: None,
        scope,
        frozen: frozen.clone(),
        choice,
        made_by: Some(posix::pid()),
    })
}

/// What a client sends and expects.
fn set_up_client(
    tls: &mut Tls,
    config: &Config,
    hostname: Option<&Hostname>,
    sent_name: Option<&CStr>,
) -> Result<()> {
    if let Some(name) = sent_name {
        tls.send_server_name(name)?;
    }
    tls.request_staple()?;
    if config.verify == Verify::ChainAndName {
        require_hostname(tls, hostname)?;
    }
    Ok(())
}

fn server_name(choice: &ServerName, hostname: Option<&Hostname>) -> Option<CString> {
    match (choice, hostname) {
        (ServerName::Given(name), _) => Some(name.clone()),
        (ServerName::Host, Some(Hostname::Name(name))) => Some(name.clone()),
        _ => None,
    }
}

fn require_hostname(tls: &mut Tls, hostname: Option<&Hostname>) -> Result<()> {
    match hostname {
        Some(Hostname::Name(name)) => tls.expect_name(name),
        Some(Hostname::Ip(ip)) => tls.expect_ip(*ip),
        None => return Err(no_hostname()),
    }
    Ok(())
}

/// Fails if a client has to verify a name, and knows none.
pub fn check_hostname(config: &Config, hostname: Option<&Hostname>) -> Result<()> {
    if config.verify == Verify::ChainAndName && hostname.is_none() { Err(no_hostname()) } else { Ok(()) }
}

fn no_hostname() -> Error {
    let message =
        "no host name is known to verify the peer's certificate against: give one, or verify the chain only";
    Error::new(Code::Config, message)
}
