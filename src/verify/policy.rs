//! From settings to what the peer's certificate must be.

use crate::{
    config::{
        requirements::Requirements,
        settings::{ClientCertificate, Config, Verify},
    },
    ossl::{requirements, ssl::hooks::PeerPolicy},
    types::{ClientAuth, Role},
};

/// What the peer's certificate must be for an end of this role.
pub fn peer_policy(config: &Config, role: Role) -> PeerPolicy {
    let listed = config.cas.is_some() || config.demands_one_of_a_list();
    let client_auth = match (role, config.client_certificate) {
        (Role::Client, _) | (Role::Server, ClientCertificate::None) => ClientAuth::No,
        (Role::Server, ClientCertificate::Auto) if !listed => ClientAuth::No,
        (Role::Server, ClientCertificate::Optional) => ClientAuth::Optional,
        (Role::Server, _) => ClientAuth::Required,
    };
    let accepted = config.accepted.as_ref();
    PeerPolicy {
        client_auth,
        chain: config.verify != Verify::None,
        further: further(&config.requirements),
        accepted: accepted.map(|list| list.iter().map(|certificate| certificate.x509().clone()).collect()),
    }
}

fn further(settings: &Requirements) -> requirements::Requirements {
    let Requirements { pins, depth, time, strict, no_common_name, staples, crls: _ } = settings;
    requirements::Requirements {
        pins: pins.iter().map(|pin| pin.digest()).collect(),
        depth: depth.map(i32::from),
        time: *time,
        strict: *strict,
        no_common_name: *no_common_name,
        staples: *staples,
        // They are of the moment: see Context::peer_policy.
        crls: None,
    }
}
