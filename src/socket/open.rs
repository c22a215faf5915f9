//! Making the parts of a socket from a config and a connected descriptor.

use crate::{
    config::{Frozen, ServerName, Verify},
    error::{Code, Error, Result},
    hostname::Hostname,
    ossl::ssl::connection::Ssl,
    posix,
    session::Scope,
    transport::{Tls, Transport, channel::Channel},
    types::{ClientAuth, Role},
    verify::peer_policy,
};
use std::{
    ffi::{CStr, CString},
    os::fd::OwnedFd,
    sync::Arc,
    time::Instant,
};

use super::{
    driver::{Driver, Peer},
    state::SocketState,
    timeouts::Timeouts,
};

/// What a socket is made of.
pub struct Parts {
    pub driver: Arc<Driver>,
    pub hostname: Option<Hostname>,
    /// The SNI that a client sends.
    pub sent_name: Option<CString>,
    pub frozen: Arc<Frozen>,
    /// The process that made it.
    pub made_by: u32,
}

/// The parts of a socket for the end of this role.
pub fn parts(
    frozen: &Arc<Frozen>,
    fd: OwnedFd,
    role: Role,
    hostname: Option<Hostname>,
    peer: Peer,
) -> Result<Parts> {
    let fd = Arc::new(fd);
    let mut tls = new_tls(frozen, &fd, role)?;
    let sent_name = match role {
        Role::Client => set_up_client(&mut tls, frozen, hostname.as_ref())?,
        Role::Server => None,
    };
    let channel = Channel::new(frozen.medium(), &mut tls, &frozen.config, Instant::now())?;
    let driver = Driver::new(SocketState::new(tls, channel), fd, Timeouts::new(&frozen.config), peer);
    Ok(Parts { driver: Arc::new(driver), hostname, sent_name, frozen: frozen.clone(), made_by: posix::pid() })
}

fn new_tls(frozen: &Frozen, fd: &Arc<OwnedFd>, role: Role) -> Result<Tls> {
    let config = &frozen.config;
    let policy = peer_policy(config, role);
    let verifies = policy.chain && (role == Role::Client || policy.client_auth != ClientAuth::No);
    let store = if verifies { frozen.context.system_store()? } else { None };
    let transport = Transport::new(frozen.medium(), fd.clone());
    let mut tls = Ssl::new(frozen.context.ctx(), transport, role, policy, config.alpn.clone())?;
    if let Some(store) = store {
        tls.verify_with(store)?;
    }
    Ok(tls)
}

/// What a client sends and expects; returns the SNI.
fn set_up_client(tls: &mut Tls, frozen: &Frozen, hostname: Option<&Hostname>) -> Result<Option<CString>> {
    let config = &frozen.config;
    let sent_name = server_name(&config.server_name, hostname);
    tls.set_session_id_context(client_scope(frozen, hostname, sent_name.as_deref())?.as_bytes())?;
    if let Some(name) = &sent_name {
        tls.send_server_name(name)?;
    }
    tls.request_staple()?;
    if config.verify == Verify::ChainAndName {
        require_hostname(tls, hostname)?;
    }
    Ok(sent_name)
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
        None => {
            return Err(Error::new(
                Code::Config,
                "no host name is known to verify the peer's certificate against: give one, or verify the chain only",
            ));
        }
    }
    Ok(())
}

/// Where a client's sessions with a host may be resumed. The names count also where they are not verified: they name the
/// server that the session is of.
pub fn client_scope(frozen: &Frozen, hostname: Option<&Hostname>, sent_name: Option<&CStr>) -> Result<Scope> {
    frozen.context.scope().with("host", format!("{:?}", (hostname, sent_name)).as_bytes())
}
