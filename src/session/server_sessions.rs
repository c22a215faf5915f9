//! What a server has to do with sessions, and keeps whatever becomes of its config: the keys of its tickets, and the
//! sessions that it holds in memory.

use crate::{
    error::Result,
    ossl::session::rules::{DEFAULT_LIFETIME, SessionRules},
};
use std::sync::Arc;

use super::{
    server_cache::{CacheLimits, SessionCache},
    ticket_keys::TicketKeys,
};

/// What carries sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionMode {
    /// Tickets.
    Tickets,
    /// The server's memory.
    Cache,
    /// Nothing: there are none.
    None,
}

/// How a config's servers deal with sessions.
#[derive(Clone)]
pub struct SessionSettings {
    /// What carries them.
    pub mode: SessionMode,
    /// How many a client gets after a full handshake of TLS 1.3; 0 for none, with any version.
    pub count: u8,
    /// For how many seconds after its first handshake a session may be resumed.
    pub lifetime: i64,
    /// How many the server's memory holds.
    pub cache: CacheLimits,
    /// The keys of tickets, where the program has made them.
    pub ticket_keys: Option<Arc<TicketKeys>>,
    /// The session id context, in place of the scope. For servers that share keys with other programs.
    pub id_context: Option<Vec<u8>>,
}

impl Default for SessionSettings {
    fn default() -> SessionSettings {
        SessionSettings {
            mode: SessionMode::Tickets,
            count: 2,
            lifetime: DEFAULT_LIFETIME,
            cache: CacheLimits::default(),
            ticket_keys: None,
            id_context: None,
        }
    }
}

impl SessionSettings {
    /// Whether sessions are in the server's memory.
    pub fn uses_cache(&self) -> bool {
        self.mode == SessionMode::Cache && self.count > 0
    }
}

/// The keys and the sessions.
#[derive(Clone)]
pub struct ServerSessions {
    keys: Arc<TicketKeys>,
    cache: Arc<SessionCache>,
}

impl ServerSessions {
    /// Random keys, and no sessions yet.
    pub fn new() -> Result<ServerSessions> {
        let cache = Arc::new(SessionCache::new(CacheLimits::default()));
        Ok(ServerSessions { keys: Arc::new(TicketKeys::random(None)?), cache })
    }

    /// The sessions of these, with the keys that a config has of its own, if any.
    pub fn with(&self, settings: &SessionSettings) -> ServerSessions {
        ServerSessions {
            keys: settings.ticket_keys.as_ref().unwrap_or(&self.keys).clone(),
            cache: self.cache.clone(),
        }
    }

    /// Lets the cache become as large as a config says.
    pub fn set_limits(&self, settings: &SessionSettings) {
        self.cache.set_limits(settings.cache);
    }

    /// How a connection of a config deals with sessions.
    pub fn rules(&self, settings: &SessionSettings) -> SessionRules {
        let own = self.with(settings);
        SessionRules {
            keys: own.keys,
            store: if settings.uses_cache() { Some(own.cache) } else { None },
            count: if settings.mode == SessionMode::None { 0 } else { settings.count },
            lifetime: settings.lifetime,
        }
    }
}
