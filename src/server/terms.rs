//! How a server serves its clients: by which config, with which keys of tickets, and with which sessions in memory.

use crate::{config::Frozen, error::Result, session::ServerSessions};
use std::sync::Arc;

/// The config, and what it has to do with sessions, which is kept unless another config brings keys of its own.
#[derive(Clone)]
pub struct Terms {
    /// The config.
    pub frozen: Arc<Frozen>,
    /// The keys of tickets, and sessions in memory.
    pub sessions: ServerSessions,
}

impl Terms {
    /// Those of a config.
    pub fn new(frozen: &Arc<Frozen>) -> Result<Terms> {
        Ok(Terms { frozen: frozen.clone(), sessions: frozen.sessions()? })
    }

    /// Those of another config.
    pub fn with(&self, frozen: &Arc<Frozen>) -> Terms {
        let settings = &frozen.config.sessions;
        self.sessions.set_limits(settings);
        Terms { frozen: frozen.clone(), sessions: self.sessions.with(settings) }
    }
}
