//! The verification of a certificate that no connection has brought, by the terms of a config.

use crate::{
    config::Frozen,
    error::{Code, Error, Result},
    hostname::Hostname,
    ossl::{
        ssl::hooks::Expected,
        verify::{
            certificate::{self, Purpose, Terms},
            refusal::Refusal,
            requirements::StaplePolicy,
        },
        x509::X509,
    },
    pki::certificate::Certificate,
    types::Role,
};
use std::sync::Arc;

use super::{SystemCas, peer_policy};

/// Verifies a certificate for this purpose and, if there is one, this name: its chain, and all that the config demands of
/// peers. The chain is always verified, whatever the config says of that. Gives the chain, or says why there is none.
pub fn verify(
    frozen: &Arc<Frozen>,
    leaf: &Certificate,
    intermediates: &[Certificate],
    purpose: Purpose,
    name: Option<&Hostname>,
) -> Result<Vec<Certificate>> {
    if !frozen.config.requirements.tlsa.is_empty() {
        return Err(Error::new(Code::Config, "the config has TLSA records, which are about connections"));
    }
    if frozen.config.requirements.staples == StaplePolicy::Require {
        return Err(Error::new(Code::Config, "the config requires a staple, which only connections have"));
    }
    let choice = frozen.default_choice()?;
    let context = &choice.context;
    let policy = peer_policy(&frozen.config, Role::Client, context.crls()?);
    let (named, unused);
    let store = match context.system_store()? {
        Some(store) => store,
        None if context.has_own_cas() => {
            named = context.ctx().trusted();
            &named
        }
        None => {
            unused = SystemCas::now().store()?;
            &unused
        }
    };
    let untrusted: Vec<X509> = intermediates.iter().map(|it| it.x509().clone()).collect();
    let (partial_chain, security_level) = (context.has_own_cas(), context.ctx().security_level());
    let terms = Terms { store, purpose, partial_chain, security_level, further: &policy.further, dane: None };
    let expected = name.map(|name| match name {
        Hostname::Name(name) => Expected::Name(name.clone()),
        Hostname::Ip(ip) => Expected::Ip(*ip),
    });
    let refused = |refusal: Refusal| {
        let name = expected.as_ref().map_or_else(String::new, Expected::to_string);
        Err(refusal.error(&name))
    };
    let outcome = certificate::verify(leaf.x509(), &untrusted, &terms);
    if outcome.reason != 0 {
        return refused(Refusal::chain(outcome.reason, outcome.at_fault.as_ref()));
    }
    let by_name = expected.as_ref().map_or(0, |expected| expected.check(leaf.x509(), &policy.further));
    if by_name != 0 {
        return refused(Refusal::chain(by_name, Some(leaf.x509())));
    }
    match policy.refusal_by_key(&outcome.chain).or_else(|| policy.refusal_by_list(Some(leaf.x509()))) {
        Some(refusal) => refused(refusal),
        None => Ok(outcome.chain.into_iter().map(Certificate::new).collect()),
    }
}
