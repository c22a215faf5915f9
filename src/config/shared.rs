//! A config as its user holds it: open to changes until the first use, then frozen and shared.

use crate::{
    error::{Code, Error, Result},
    types::Medium,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{cache, context::Context, settings::Config};

/// A config that was used: nothing changes it any more.
pub struct Frozen {
    /// The settings.
    pub config: Config,
    /// What OpenSSL made of them.
    pub context: Arc<Context>,
}

impl Frozen {
    /// What connections of this config run over.
    pub fn medium(&self) -> Medium {
        if self.config.versions.protocol.is_datagram() { Medium::Datagrams } else { Medium::Stream }
    }
}

/// A config as its user holds it.
#[derive(Default)]
pub struct ConfigHandle {
    draft: Mutex<Config>,
    frozen: OnceLock<Arc<Frozen>>,
}

impl ConfigHandle {
    /// A handle over these settings.
    pub fn new(config: Config) -> ConfigHandle {
        ConfigHandle { draft: Mutex::new(config), frozen: OnceLock::new() }
    }

    /// A copy that is not frozen.
    pub fn copy(&self) -> ConfigHandle {
        ConfigHandle::new(self.draft().clone())
    }

    fn draft(&self) -> std::sync::MutexGuard<'_, Config> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the settings, unless they are frozen. A change that fails leaves them as they were.
    pub fn change(&self, change: impl FnOnce(&mut Config) -> Result<()>) -> Result<()> {
        let mut draft = self.draft();
        if self.frozen.get().is_some() {
            return Err(Error::new(Code::State, "the config has been used and cannot change any more: copy it"));
        }
        change(&mut draft)
    }

    /// Replaces the staple: always, if there was one before the settings were frozen.
    pub fn set_staple(&self, response: Option<Arc<[u8]>>) -> Result<()> {
        let mut draft = self.draft();
        if draft.staple.is_none() && self.frozen.get().is_some() {
            return Err(Error::new(
                Code::State,
                "the config has been used, and had no staple that could be replaced",
            ));
        }
        draft.staple.get_or_insert_default().set(response);
        Ok(())
    }

    /// Makes the settings usable, the first time; afterwards they stay as they are.
    pub fn freeze(&self) -> Result<Arc<Frozen>> {
        if let Some(frozen) = self.frozen.get() {
            return Ok(frozen.clone());
        }
        let draft = self.draft();
        if let Some(frozen) = self.frozen.get() {
            return Ok(frozen.clone());
        }
        draft.check()?;
        let frozen = Arc::new(Frozen { config: draft.clone(), context: cache::context_for(&draft)? });
        Ok(self.frozen.get_or_init(|| frozen).clone())
    }
}
