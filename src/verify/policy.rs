//! From settings to what the peer's certificate must be.

use crate::{
    config::{
        requirements::Requirements,
        settings::{ClientCertificate, Config, Verify},
    },
    ossl::{
        ssl::hooks::PeerPolicy,
        verify::requirements::{self, CrlCheck},
    },
    types::{ClientAuth, Role},
};

/// Whether an end of this role asks its peer for a certificate.
pub fn client_auth(config: &Config, role: Role) -> ClientAuth {
    let listed = config.cas.is_some() || config.demands_one_of_a_list();
    match (role, config.client_certificate) {
        (Role::Client, _) | (Role::Server, ClientCertificate::None) => ClientAuth::No,
        (Role::Server, ClientCertificate::Auto) if !listed => ClientAuth::No,
        (Role::Server, ClientCertificate::Optional) => ClientAuth::Optional,
        (Role::Server, _) => ClientAuth::Required,
    }
}

/// What the peer's certificate must be for an end of this role, by these revocation lists.
pub fn peer_policy(config: &Config, role: Role, crls: Option<CrlCheck>) -> PeerPolicy {
    let accepted = config.accepted.as_ref();
    PeerPolicy {
        client_auth: client_auth(config, role),
        chain: config.verify != Verify::None,
        may_be_overridden: config.may_be_overridden(),
        further: further(&config.requirements, crls),
        accepted: accepted.map(|list| list.iter().map(|certificate| certificate.x509().clone()).collect()),
    }
}

fn further(settings: &Requirements, lists: Option<CrlCheck>) -> requirements::Requirements {
    // `crls` says where the lists come from.
    let Requirements { pins, depth, time, strict, no_common_name, staples, tlsa, tlsa_names, crls: _ } = settings;
    requirements::Requirements {
        pins: pins.iter().map(|pin| pin.digest()).collect(),
        depth: depth.map(i32::from),
        time: *time,
        strict: *strict,
        no_common_name: *no_common_name,
        staples: *staples,
        tlsa: tlsa.clone(),
        tlsa_names: *tlsa_names,
        crls: lists,
    }
}
