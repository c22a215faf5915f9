//! From settings to what the peer's certificate must be.

use crate::{
    config::settings::{ClientCertificate, Config, Verify},
    ossl::ssl::{ClientAuth, PeerPolicy, Role},
};

/// What the peer's certificate must be for an end of this role.
pub fn peer_policy(config: &Config, role: Role) -> PeerPolicy {
    let listed = config.cas.is_some() || config.accepted.is_some();
    let ask = match (role, config.client_certificate) {
        (Role::Client, _) | (Role::Server, ClientCertificate::None) => ClientAuth::No,
        (Role::Server, ClientCertificate::Auto) if !listed => ClientAuth::No,
        (Role::Server, ClientCertificate::Optional) => ClientAuth::Optional,
        (Role::Server, _) => ClientAuth::Required,
    };
    let accepted = config.accepted.as_ref();
    PeerPolicy {
        ask,
        chain: config.verify != Verify::None,
        accepted: accepted.map(|list| list.iter().map(|certificate| certificate.x509().clone()).collect()),
    }
}
