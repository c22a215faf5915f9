//! Which of a config's identities a client gets: chosen by the name that it asks for. Of those for one name, one of each
//! type of key goes to OpenSSL, which takes the first that the client can verify.

use crate::{
    error::Result,
    hosts::{HostTable, Pattern},
    pki::{anchors::Anchor, identity::Material},
    replaceable,
};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use super::{cache, context::Context, settings::Config};

/// The identities for a name, and the context that presents them.
pub struct Group {
    materials: Vec<Arc<Material>>,
    context: OnceLock<Arc<Context>>,
}

impl Group {
    /// The context, made when it is first needed.
    pub fn context(&self, config: &Config) -> Result<Arc<Context>> {
        if let Some(context) = self.context.get() {
            return Ok(context.clone());
        }
        let context = cache::context_for(config, &self.materials)?;
        Ok(self.context.get_or_init(|| context).clone())
    }

    /// Whether a certificate of the group is for this host.
    pub fn covers(&self, host: &str) -> bool {
        self.materials.first().is_some_and(|material| {
            let mut names = HostTable::default();
            for name in &material.names {
                names.insert(name.clone(), ());
            }
            names.find(host).is_some()
        })
    }
}

/// A config's identities as they are at one time.
pub struct Identities {
    /// What `replaceable::changes` said then.
    changes: u64,
    /// Whom the contexts trust, if the config says whom.
    anchors: Option<Arc<Vec<Anchor>>>,
    /// For clients that ask for no name, or for one that no certificate is for.
    default: Arc<Group>,
    by_name: HostTable<Arc<Group>>,
}

impl Identities {
    /// Puts a config's identities in order.
    pub fn new(config: &Config) -> Identities {
        Identities::as_now(config, replaceable::changes(), |_| HashMap::new())
    }

    /// The identities as their files are now; None if nothing has changed. Groups that have not changed keep their contexts, unless
    /// these trust others than the config does now.
    pub fn again(&self, config: &Config) -> Option<Identities> {
        let changes = replaceable::changes();
        if changes == self.changes {
            return None;
        }
        Some(Identities::as_now(config, changes, |anchors| {
            if anchors.map(Arc::as_ptr) != self.anchors.as_ref().map(Arc::as_ptr) {
                return HashMap::new();
            }
            self.groups().map(|group| (addresses(&group.materials), group.clone())).collect()
        }))
    }

    fn as_now(
        config: &Config,
        changes: u64,
        known: impl FnOnce(Option<&Arc<Vec<Anchor>>>) -> HashMap<Vec<*const Material>, Arc<Group>>,
    ) -> Identities {
        let anchors = config.cas.as_ref().map(|cas| cas.current());
        let known = known(anchors.as_ref());
        let all = config.identities.iter().map(|identity| identity.current()).collect();
        Identities::of(all, changes, anchors, |materials| match known.get(&addresses(&materials)) {
            Some(group) => Arc::clone(group),
            None => Arc::new(Group { materials, context: OnceLock::new() }),
        })
    }

    fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        std::iter::once(&self.default).chain(self.by_name.values())
    }

    fn of(
        all: Vec<Arc<Material>>,
        changes: u64,
        anchors: Option<Arc<Vec<Anchor>>>,
        make: impl Fn(Vec<Arc<Material>>) -> Arc<Group>,
    ) -> Identities {
        let mut by_pattern: HashMap<&Pattern, Vec<usize>> = HashMap::new();
        for (index, material) in all.iter().enumerate() {
            for name in &material.names {
                by_pattern.entry(name).or_default().push(index);
            }
        }
        let one_of_each_type = |indices: &mut dyn Iterator<Item = usize>| {
            let mut chosen: Vec<usize> = Vec::new();
            for index in indices {
                let Some(material) = all.get(index) else { continue };
                let is_taken =
                    |other: &usize| all.get(*other).is_some_and(|other| other.key_type == material.key_type);
                if !chosen.iter().any(is_taken) {
                    chosen.push(index);
                }
            }
            chosen
        };
        let indices_for = |pattern: &Pattern| {
            let listed =
                |pattern: Option<&Pattern>| pattern.and_then(|it| by_pattern.get(it)).into_iter().flatten();
            let wider = pattern.wider();
            one_of_each_type(&mut listed(Some(pattern)).chain(listed(wider.as_ref())).copied())
        };
        let mut known: HashMap<Vec<usize>, Arc<Group>> = HashMap::new();
        let mut group = |indices: Vec<usize>| {
            let materials = || indices.iter().filter_map(|index| all.get(*index).cloned()).collect();
            known.entry(indices.clone()).or_insert_with(|| make(materials())).clone()
        };
        let beside_first = all.first().and_then(|first| first.names.first()).map(indices_for).unwrap_or_default();
        let first = (0..all.len()).take(1);
        let default = group(one_of_each_type(&mut first.chain(beside_first)));
        let mut by_name = HostTable::default();
        for pattern in by_pattern.keys() {
            by_name.insert((*pattern).clone(), group(indices_for(pattern)));
        }
        Identities { changes, anchors, default, by_name }
    }

    /// Whether what a client gets depends on its hello.
    pub fn differ(&self) -> bool {
        self.by_name.values().any(|group| !Arc::ptr_eq(group, &self.default))
    }

    /// The identities for clients that ask for no name.
    pub fn default(&self) -> &Arc<Group> {
        &self.default
    }

    /// The identities for a name, if a certificate is for it.
    pub fn find(&self, name: &str) -> Option<&Arc<Group>> {
        self.by_name.find(name)
    }
}

fn addresses(materials: &[Arc<Material>]) -> Vec<*const Material> {
    materials.iter().map(Arc::as_ptr).collect()
}
