//! What a connection should be: plain data with secure defaults. Nothing here knows of OpenSSL's contexts.

use crate::{
    error::{Code, Error, Result},
    hostname::Hostname,
    net::{deadline::Limit, proxy::choice::ProxyChoice},
    ossl::ssl::staple::Staple,
    pki::{anchors::Anchors, certificate::Certificate, identity::Identity, private_key::PrivateKey},
    protocol::{Protocol, Versions},
    session::SessionSettings,
    trace::Trace,
    verify::callback::VerifyCallback,
};
use std::{ffi::CString, path::PathBuf, sync::Arc, time::Duration};

use super::{
    records::Records,
    requirements::{Requirements, StaplePolicy},
};

/// Which certificate of the peer's is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Its chain leads to a trusted CA, and it is for the host connected to.
    ChainAndName,
    /// Its chain leads to a trusted CA.
    ChainOnly,
    /// Nothing is verified.
    None,
}

/// Whether a server asks its clients for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Required if CAs or accepted certificates were given, else not asked for.
    Auto,
    /// Not asked for.
    None,
    /// Asked for; the client may have none.
    Optional,
    /// The client must have one.
    Required,
}

/// The name that a client sends as SNI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// That of the host, unless it is an address.
    Host,
    /// The name that the program gives.
    Given(CString),
    /// No name is sent.
    Omitted,
}

/// What a server does with clients that ask for a host that it does not know, or for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownHost {
    /// They get the default identity, and the config's own settings.
    Default,
    /// They are refused.
    Refuse,
}

/// Time limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connect as a whole: name, addresses and handshake.
    pub connect: Limit,
    /// For a handshake; None if the user has not set it.
    pub handshake: Option<Limit>,
    /// For a read.
    pub read: Limit,
    /// For a write.
    pub write: Limit,
    /// For a close. Zero: close waits for nothing.
    pub close: Duration,
}

/// What matters to datagrams only.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams {
    /// The size of the largest IP packet; None for what the system finds out.
    pub mtu: Option<usize>,
    /// The time until the first retransmission of a handshake.
    pub retransmission: Duration,
    /// How long a server's peer may be silent.
    pub idle: Limit,
    /// How many peers a server has at most.
    pub max_peers: usize,
    /// How many of them one host may have; None for a share of the maximum.
    pub max_peers_per_host: Option<usize>,
}

/// The settings.
#[derive(Clone)]
pub struct Config {
    /// Protocol versions.
    pub versions: Versions,
    /// Certificates with their keys; the first is the default.
    pub identities: Vec<Arc<Identity>>,
    /// Who gets the default.
    pub unknown_host: UnknownHost,
    /// The trusted CAs: an empty list trusts no one. None for the system's.
    pub cas: Option<Arc<Anchors>>,
    /// If given, the peer must present one of these.
    pub accepted: Option<Vec<Certificate>>,
    /// What is verified.
    pub verify: Verify,
    /// What else is demanded of the peer's certificate.
    pub requirements: Requirements,
    /// The program's function that decides about peers.
    pub verify_callback: Option<VerifyCallback>,
    /// Whether clients are asked.
    pub client_certificate: ClientCertificate,
    /// The peer's name where it is not the host connected to.
    pub hostname: Option<Hostname>,
    /// SNI.
    pub server_name: ServerName,
    /// ALPN names, each behind its length.
    pub alpn: Vec<u8>,
    /// Ciphers of TLS 1.2 and before.
    pub cipher_list: Option<CString>,
    /// Cipher suites of TLS 1.3.
    pub cipher_suites: Option<CString>,
    /// Groups for key agreement.
    pub groups: Option<CString>,
    /// Signature algorithms that are offered, accepted and used.
    pub signature_algorithms: Option<CString>,
    /// OpenSSL's security level, 0 to 5; None for its default.
    pub security_level: Option<i32>,
    /// The OCSP response that a server staples: one for all copies of the settings, replaced while they are in use. None if
    /// it staples none, and never will.
    pub staple: Option<Arc<Staple>>,
    /// Where the secrets of connections are written, for tools that decrypt captures.
    pub key_log: Option<PathBuf>,
    /// Whether clients resume by themselves; None if the user has not set it.
    pub resume: Option<bool>,
    /// Whether a server goes by its own order of cipher suites, and not by the client's.
    pub server_preference: bool,
    /// The sizes of records.
    pub records: Records,
    /// How servers deal with sessions.
    pub sessions: SessionSettings,
    /// The function that is called for the messages of connections.
    pub trace: Option<Trace>,
    /// Which proxies a client's connections go through.
    pub proxy: ProxyChoice,
    /// Time limits.
    pub limits: Limits,
    /// Whether the handshake is left to the first read or write.
    pub lazy_handshake: bool,
    /// For DTLS.
    pub datagrams: Datagrams,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            versions: Versions { protocol: Protocol::Sslv23, min: None, max: None },
            identities: Vec::new(),
            unknown_host: UnknownHost::Default,
            cas: None,
            accepted: None,
            verify: Verify::ChainAndName,
            requirements: Requirements::default(),
            verify_callback: None,
            client_certificate: ClientCertificate::Auto,
            hostname: None,
            server_name: ServerName::Host,
            alpn: Vec::new(),
            cipher_list: None,
            cipher_suites: None,
            groups: None,
            signature_algorithms: None,
            security_level: None,
            staple: None,
            key_log: None,
            resume: None,
            server_preference: false,
            records: Records::default(),
            sessions: SessionSettings::default(),
            trace: None,
            proxy: ProxyChoice::default(),
            limits: Limits {
                connect: Some(Duration::from_secs(30)),
                handshake: None,
                read: None,
                write: None,
                close: Duration::from_secs(2),
            },
            lazy_handshake: false,
            datagrams: Datagrams {
                mtu: None,
                retransmission: Duration::from_secs(1),
                idle: Some(Duration::from_secs(15 * 60)),
                max_peers: 10_000,
                max_peers_per_host: None,
            },
        }
    }
}

impl Config {
    /// The name that a client of this host verifies and sends: the config's or, where it has none, the host's.
    pub fn hostname_for(&self, host: &str) -> Result<Hostname> {
        self.hostname.clone().map_or_else(|| Hostname::parse(host), Ok)
    }

    /// The name that a client verifies and sends, of a host that may not be known.
    pub fn known_hostname(&self, host: Option<&str>) -> Result<Option<Hostname>> {
        host.map_or_else(|| Ok(self.hostname.clone()), |host| self.hostname_for(host).map(Some))
    }

    /// Sets certificate and key, both or neither, in place of all identities.
    pub fn set_identity(&mut self, chain: Vec<Certificate>, key: Option<PrivateKey>) -> Result<()> {
        self.identities = match (chain.is_empty(), key) {
            (true, None) => Vec::new(),
            (false, Some(key)) => vec![Arc::new(Identity::new(chain, key)?)],
            _ => return Err(Error::argument("certificate and private key must be both given or both left out")),
        };
        Ok(())
    }

    /// Whether the peer must present one of certain certificates or keys.
    pub fn demands_one_of_a_list(&self) -> bool {
        self.accepted.is_some() || !self.requirements.pins.is_empty()
    }

    /// Whether clients resume by themselves: where they know whom they talk to, if the user has not set it. A staple that
    /// is required must be shown each time, which resumed handshakes do not.
    pub fn resumes(&self) -> bool {
        self.resume.unwrap_or(self.verify == Verify::ChainAndName)
            && self.requirements.staples != StaplePolicy::Require
    }

    /// Whether the program may accept a peer that the settings refuse.
    pub fn may_be_overridden(&self) -> bool {
        self.verify_callback.as_ref().is_some_and(|callback| callback.may_override)
    }

    /// Fails for settings that contradict one another.
    pub fn check(&self) -> Result<()> {
        if self.demands_one_of_a_list() && self.client_certificate == ClientCertificate::None {
            return Err(Error::new(
                Code::Config,
                "a list of accepted certificates or pins was set, and clients are not to be asked for any: it would accept \
                 everybody",
            ));
        }
        if self.verify == Verify::None && self.requirements.need_a_chain() {
            return Err(Error::new(
                Code::Config,
                "revocation lists, stapled OCSP responses or TLSA records are demanded, and no chain is verified: nothing \
                 would be looked for in them",
            ));
        }
        Ok(())
    }

    /// How long a handshake may take. Of datagrams many may be lost, and the time until each is sent again doubles.
    pub fn handshake_limit(&self) -> Limit {
        let seconds = if self.versions.protocol.is_datagram() { 60 } else { 10 };
        self.limits.handshake.unwrap_or(Some(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_over_datagrams_has_more_time_unless_it_is_set() {
        let mut config = Config::default();
        assert_eq!(config.handshake_limit(), Some(Duration::from_secs(10)));
        config.versions.protocol = Protocol::Dtlsv1;
        assert_eq!(config.handshake_limit(), Some(Duration::from_secs(60)));
        config.limits.handshake = Some(None);
        assert_eq!(config.handshake_limit(), None);
    }
}
