//! A config as its user holds it: open to changes until the first use, then frozen and shared.

use crate::{
    error::{Code, Error, Result},
    hosts::{self, HostTable, Pattern},
    net::proxy::choice::ProxyChoice,
    ossl::verify::requirements::CrlCheck,
    session::{Scope, ServerSessions},
    types::{ClientAuth, Medium, Role},
    verify::client_auth,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::{
    cache,
    context::Context,
    identities::{Group, Identities},
    settings::{Config, UnknownHost},
};

/// Hosts with configs of their own.
type Hosts = HostTable<Arc<Frozen>>;

/// A config that was used: nothing changes it any more, but that its identities may be read again.
pub struct Frozen {
    /// The settings.
    pub config: Config,
    /// That of connections to a proxy that is spoken to over TLS; None for the defaults.
    proxy_config: Option<Arc<Frozen>>,
    hosts: Hosts,
    identities: RwLock<Arc<Identities>>,
    /// Kept for as long as the config, whatever becomes of its contexts.
    sessions: OnceLock<ServerSessions>,
}

/// How a server serves one client.
#[derive(Clone)]
pub struct Choice {
    /// The config of the host that the client asks for.
    pub frozen: Arc<Frozen>,
    /// What OpenSSL made of it.
    pub context: Arc<Context>,
    /// The identities that the client gets one of.
    group: Arc<Group>,
    /// The name that the client asks for, if it is one; empty for none. None where it does not matter.
    pub name: Option<String>,
}

impl Choice {
    /// Where sessions of a server that serves like this may be resumed: for one host only, where there are several.
    fn scope(&self, crls: Option<&CrlCheck>) -> Result<Scope> {
        let mut scope = *self.context.scope();
        if let Some(name) = &self.name {
            scope = scope.with("host", name.as_bytes())?;
        }
        match crls {
            Some(crls) if self.frozen.asks_clients() => scope.with("CRLs", &crls.digest),
            _ => Ok(scope),
        }
    }

    /// OpenSSL's session id context: the scope, unless the program has chosen another. `crls` are those of the connection:
    /// the lists may be replaced while it is made.
    pub fn session_id_context(&self, crls: Option<&CrlCheck>) -> Result<Vec<u8>> {
        match &self.frozen.config.sessions.id_context {
            Some(id) => Ok(id.clone()),
            None => Ok(self.scope(crls)?.as_bytes().to_vec()),
        }
    }
}

impl Frozen {
    fn new(config: Config, hosts: Hosts, proxy_config: Option<Arc<Frozen>>) -> Frozen {
        let identities = RwLock::new(Arc::new(Identities::new(&config)));
        Frozen { config, proxy_config, hosts, identities, sessions: OnceLock::new() }
    }

    /// What connections of this config run over.
    pub fn medium(&self) -> Medium {
        if self.config.versions.protocol.is_datagram() { Medium::Datagrams } else { Medium::Stream }
    }

    /// Whether servers of this config ask their clients for certificates.
    fn asks_clients(&self) -> bool {
        client_auth(&self.config, Role::Server) != ClientAuth::No
    }

    /// The identities as they are now.
    fn identities(&self) -> Arc<Identities> {
        let current = self.identities.read().unwrap_or_else(PoisonError::into_inner).clone();
        match current.again(&self.config) {
            None => current,
            Some(changed) => {
                let changed = Arc::new(changed);
                *self.identities.write().unwrap_or_else(PoisonError::into_inner) = changed.clone();
                changed
            }
        }
    }

    /// That of TLS with a proxy.
    pub fn proxy_config(&self) -> Result<Arc<Frozen>> {
        self.proxy_config.clone().map_or_else(|| ConfigHandle::default().freeze(), Ok)
    }

    /// Whether there is a certificate for any client.
    pub fn has_certificate(&self) -> bool {
        !self.config.identities.is_empty() || !self.hosts.is_empty()
    }

    /// The keys and the sessions of servers of this config, unless the server has others.
    pub fn sessions(self: &Arc<Frozen>) -> Result<ServerSessions> {
        if let Some(sessions) = self.sessions.get() {
            return Ok(sessions.clone());
        }
        let settings = &self.config.sessions;
        let sessions = self.default_choice()?.context.server_sessions()?.with(settings);
        sessions.set_limits(settings);
        Ok(self.sessions.get_or_init(|| sessions).clone())
    }

    /// Whether a server of this config reads a client's hello before it decides how to serve it.
    pub fn chooses(&self) -> bool {
        !self.hosts.is_empty() || self.refuses_unknown_hosts() || self.identities().differ()
    }

    /// Whether clients are refused that ask for no host that is known.
    pub fn refuses_unknown_hosts(&self) -> bool {
        self.config.unknown_host == UnknownHost::Refuse
    }

    /// What there is without any hello.
    pub fn default_choice(self: &Arc<Frozen>) -> Result<Choice> {
        self.serve(self.identities().default().clone(), None)
    }

    fn serve(self: &Arc<Frozen>, group: Arc<Group>, name: Option<String>) -> Result<Choice> {
        let context = group.context(&self.config)?;
        Ok(Choice { frozen: self.clone(), context, group, name })
    }

    /// How to serve a client that asks for the host of this name; None if it is to be refused.
    pub fn choose(self: &Arc<Frozen>, server_name: Option<&str>) -> Result<Option<Choice>> {
        let name = server_name.and_then(hosts::normalized);
        let host = name.as_deref().and_then(|name| self.hosts.find(name));
        let frozen = host.unwrap_or(self);
        let identities = frozen.identities();
        let group = name.as_deref().and_then(|name| identities.find(name));
        if host.is_none() && group.is_none() && self.refuses_unknown_hosts() {
            return Ok(None);
        }
        let group = group.unwrap_or(identities.default()).clone();
        frozen.serve(group, Some(name.unwrap_or_default())).map(Some)
    }

    /// Whether a connection that was served like this may carry requests for a host: its config is that host's or,
    /// where neither asks clients for certificates, its certificate is for the host.
    pub fn serves(&self, choice: &Choice, host: &str) -> bool {
        let Some(name) = hosts::normalized(host) else {
            return !self.refuses_unknown_hosts() && std::ptr::eq(self, &*choice.frozen);
        };
        let found = self.hosts.find(&name).map(Arc::as_ref);
        let is_known = found.is_some() || self.identities().find(&name).is_some();
        if !is_known && self.refuses_unknown_hosts() {
            return false;
        }
        let its = found.unwrap_or(self);
        std::ptr::eq(its, &*choice.frozen)
            || (!its.asks_clients() && !choice.frozen.asks_clients() && choice.group.covers(&name))
    }

    /// Reads the files of all identities and CAs again, those of hosts included: all, or none if one fails.
    pub fn reload(&self) -> Result<()> {
        let configs = || std::iter::once(&self.config).chain(self.hosts.values().map(|host| &host.config));
        let (mut materials, mut cas) = (Vec::new(), Vec::new());
        for identity in configs().flat_map(|config| &config.identities) {
            materials.extend(identity.read_again()?.map(|material| (identity, material)));
        }
        for anchors in configs().filter_map(|config| config.cas.as_ref()) {
            cas.extend(anchors.read_again()?.map(|certificates| (anchors, certificates)));
        }
        materials.into_iter().for_each(|(identity, material)| identity.replace(material));
        cas.into_iter().for_each(|(anchors, certificates)| anchors.replace(certificates));
        Ok(())
    }
}

/// What a config is made of until it is frozen.
#[derive(Clone, Default)]
struct Draft {
    config: Config,
    hosts: Hosts,
    proxy_config: Option<Arc<Frozen>>,
    /// How many times it was opened for a change.
    changes: u64,
}

/// A config as its user holds it.
#[derive(Default)]
pub struct ConfigHandle {
    draft: Mutex<Draft>,
    /// Held while it is frozen, which takes as long as reading files does: threads that change or copy it do not wait.
    freezing: Mutex<()>,
    frozen: OnceLock<Arc<Frozen>>,
}

impl ConfigHandle {
    /// A handle over these settings.
    pub fn new(config: Config) -> ConfigHandle {
        ConfigHandle::of(Draft { config, ..Draft::default() })
    }

    fn of(draft: Draft) -> ConfigHandle {
        ConfigHandle { draft: Mutex::new(draft), ..ConfigHandle::default() }
    }

    /// A copy that is not frozen.
    pub fn copy(&self) -> ConfigHandle {
        ConfigHandle::of(self.draft().clone())
    }

    fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_draft(&self) -> Result<MutexGuard<'_, Draft>> {
        let mut draft = self.draft();
        match self.frozen.get() {
            None => {
                draft.changes += 1;
                Ok(draft)
            }
            Some(_) => Err(Error::new(Code::State, "the config has been used and cannot change any more: copy it")),
        }
    }

    /// Changes the settings, unless they are frozen. A change that fails leaves them as they were.
    pub fn change(&self, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
        change(&mut self.open_draft()?.config)
    }

    /// Gives the hosts of a pattern a config of their own, which is frozen by this.
    pub fn add_host(&self, pattern: Pattern, host: &ConfigHandle) -> Result<()> {
        // A config that is its own host would be locked twice.
        if std::ptr::eq(self, host) {
            return Err(Error::argument("a config cannot be that of its own host"));
        }
        drop(self.open_draft()?);
        let host = host.freeze_without_context()?;
        let about = |error: Error| error.context(format_args!("host \"{pattern}\""));
        if host.config.identities.is_empty() {
            return Err(about(Error::new(Code::Config, "its config has no certificate")));
        }
        if !host.hosts.is_empty() {
            return Err(about(Error::new(Code::Config, "its config has hosts of its own")));
        }
        // What OpenSSL refuses is found out now. Hosts with equal settings share this context; those that have a
        // certificate are made when a client asks for the host.
        cache::context_for(&host.config, &[]).map_err(about)?;
        let name = pattern.to_string();
        if self.open_draft()?.hosts.insert(pattern, host) {
            return Ok(());
        }
        Err(Error::new(Code::Config, format!("the host \"{name}\" has a config already")))
    }

    /// Chooses proxies; `config`, which is frozen by this, is for connections to those that are spoken to over TLS.
    pub fn set_proxy(&self, proxy: ProxyChoice, config: Option<&ConfigHandle>) -> Result<()> {
        if config.is_some_and(|config| std::ptr::eq(self, config)) {
            return Err(Error::argument("a config cannot be that of its own proxy"));
        }
        drop(self.open_draft()?);
        let config = config.map(ConfigHandle::freeze).transpose()?;
        if config.as_ref().is_some_and(|config| config.medium() == Medium::Datagrams) {
            return Err(Error::argument("the proxy's config is for DTLS, and proxies carry streams"));
        }
        let mut draft = self.open_draft()?;
        draft.config.proxy = proxy;
        draft.proxy_config = config;
        Ok(())
    }

    fn freeze_without_context(&self) -> Result<Arc<Frozen>> {
        self.freeze_with(|_| Ok(()))
    }

    /// Makes the settings usable if they stand this test. Settings that change meanwhile are tested again.
    fn freeze_with(&self, test: impl Fn(&Arc<Frozen>) -> Result<()>) -> Result<Arc<Frozen>> {
        if let Some(frozen) = self.frozen.get() {
            return Ok(frozen.clone());
        }
        let _freezing = self.freezing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(frozen) = self.frozen.get() {
                return Ok(frozen.clone());
            }
            let tested = self.draft().clone();
            let frozen = tested.frozen()?;
            test(&frozen)?;
            let draft = self.draft();
            if draft.changes == tested.changes {
                return Ok(self.frozen.get_or_init(|| frozen).clone());
            }
        }
    }

    /// Replaces the staple: always, if there was one before the settings were frozen.
    pub fn set_staple(&self, response: Option<Arc<[u8]>>) -> Result<()> {
        let mut draft = self.draft();
        if draft.config.staple.is_none() {
            draft.changes += 1;
        }
        if draft.config.staple.is_none() && self.frozen.get().is_some() {
            return Err(Error::new(
                Code::State,
                "the config has been used, and had no staple that could be replaced",
            ));
        }
        draft.config.staple.get_or_insert_default().set(response);
        Ok(())
    }

    /// Makes the settings usable, the first time; afterwards they stay as they are.
    pub fn freeze(&self) -> Result<Arc<Frozen>> {
        self.freeze_with(|frozen| frozen.default_choice().map(drop))
    }
}

impl Draft {
    fn frozen(&self) -> Result<Arc<Frozen>> {
        self.config.check()?;
        if self.config.sessions.id_context.is_some() && client_auth(&self.config, Role::Server) != ClientAuth::No {
            let message = "a session id context was set, and clients are asked for certificates: what other servers have \
                           found out about them is not known here";
            return Err(Error::new(Code::Config, message));
        }
        let frozen = Arc::new(Frozen::new(self.config.clone(), self.hosts.clone(), self.proxy_config.clone()));
        let other = |host: &&Arc<Frozen>| host.medium() != frozen.medium();
        if self.hosts.values().any(|host| other(&host)) {
            let message = "the config and one of its hosts' differ in that one is for TLS and the other for DTLS";
            return Err(Error::new(Code::Config, message));
        }
        Ok(frozen)
    }
}
