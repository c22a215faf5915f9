//! Contexts are built once, and shared by all connections whose settings are equal.

use crate::{
    error::Result,
    ossl::provider::Algorithms,
    pki::identity::Material,
    types::{ClientAuth, Role},
    verify::client_auth,
};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::{
    context::{Context, Key},
    settings::Config,
};

/// How many contexts stay alive without a config or connection that uses them.
const KEPT: usize = 8;

/// The contexts in use, and the latest of those without a private key, which outlive their users.
struct Cache {
    known: Vec<Weak<Context>>,
    kept: Vec<Arc<Context>>,
}

/// Read by every connection that brings its own settings, without waiting for one another; written by the first of
/// each kind.
static CACHE: RwLock<Cache> = RwLock::new(Cache { known: Vec::new(), kept: Vec::new() });

/// The context for these settings: a known one if there is one.
pub fn context_for(config: &Config, identities: &[Arc<Material>]) -> Result<Arc<Context>> {
    let key = Key::of(config, identities);
    if let Some(context) = find(&key) {
        return Ok(context);
    }
    let context = Arc::new(Context::new(key)?);
    // A context with a certificate is most likely a server's, which verifies no peer unless it asks its clients for
    // certificates: reading the system's CAs takes longer than anything else here.
    if !context.has_identity() || client_auth(config, Role::Server) != ClientAuth::No {
        context.system_store()?;
    }
    Ok(remember(context))
}

fn find(key: &Key) -> Option<Arc<Context>> {
    CACHE.read().unwrap_or_else(PoisonError::into_inner).find(key)
}

impl Cache {
    fn find(&self, key: &Key) -> Option<Arc<Context>> {
        self.known.iter().filter_map(Weak::upgrade).find(|context| context.key() == key)
    }
}

/// Puts a context in the cache, unless another thread was faster: then theirs it is.
fn remember(context: Arc<Context>) -> Arc<Context> {
    let mut cache = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(theirs) = cache.find(context.key()) {
        drop(cache);
        return theirs;
    }
    cache.known.retain(|known| known.strong_count() > 0);
    cache.known.push(Arc::downgrade(&context));
    let algorithms = Algorithms::now();
    let of_use = |kept: &Arc<Context>| kept.has_algorithms(algorithms);
    let (kept, mut dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut cache.kept).into_iter().partition(of_use);
    cache.kept = kept;
    if context.may_outlive_its_users() {
        if cache.kept.len() == KEPT {
            dropped.push(cache.kept.remove(0));
        }
        cache.kept.push(context.clone());
    }
    // Freeing a context takes time: not under the lock.
    drop(cache);
    drop(dropped);
    context
}
