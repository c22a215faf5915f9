//! Making the parts of a socket from a config and a connected descriptor.

use crate::{
    config::{Config, Frozen, ServerName, Verify},
    error::{Code, Error, Result},
    hostname::Hostname,
    ossl::ssl::{connection::Ssl, hooks::PeerPolicy},
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
    /// The SNI that a client sends.
    pub sent_name: Option<CString>,
    /// Where its sessions may be resumed.
    pub scope: Scope,
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
    let mut policy = peer_policy(&frozen.config, role);
    policy.further.crls = frozen.context.crls()?;
    let has_crls = policy.further.crls.is_some();
    let mut scope = *frozen.context.scope();
    if let Some(crls) = &policy.further.crls {
        scope = scope.with("CRLs", &crls.digest)?;
    }
    let mut sent_name = None;
    if role == Role::Client {
        sent_name = server_name(&frozen.config.server_name, hostname.as_ref());
        // The names count also where they are not verified: they name the server that the session is of.
        scope = scope.with("host", format!("{:?}", (hostname.as_ref(), sent_name.as_deref())).as_bytes())?;
    }
    let mut tls = new_tls(frozen, &fd, role, policy)?;
    // A server's SSL_CTX has the scope already, unless there are lists.
    if role == Role::Client || has_crls {
        tls.set_session_id_context(scope.as_bytes())?;
    }
    if role == Role::Client {
        set_up_client(&mut tls, &frozen.config, hostname.as_ref(), sent_name.as_deref())?;
    }
    let channel = Channel::new(frozen.medium(), &mut tls, &frozen.config, Instant::now())?;
    let driver = Driver::new(SocketState::new(tls, channel), fd, Timeouts::new(&frozen.config), peer);
    Ok(Parts { driver: Arc::new(driver), sent_name, scope, frozen: frozen.clone(), made_by: posix::pid() })
}

fn new_tls(frozen: &Frozen, fd: &Arc<OwnedFd>, role: Role, policy: PeerPolicy) -> Result<Tls> {
    let verifies = policy.chain && (role == Role::Client || policy.client_auth != ClientAuth::No);
    let store = if verifies { frozen.context.system_store()? } else { None };
    let transport = Transport::new(frozen.medium(), fd.clone());
    let mut tls = Ssl::new(frozen.context.ctx(), transport, role, policy, frozen.config.alpn.clone())?;
    if let Some(store) = store {
        tls.verify_with(store)?;
    }
    Ok(tls)
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
        None => {
            return Err(Error::new(
                Code::Config,
                "no host name is known to verify the peer's certificate against: give one, or verify the chain only",
            ));
        }
    }
    Ok(())
}
