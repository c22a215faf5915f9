//! The verify callback: the program decides about the peer once the handshake is complete, before anything else may use the
//! connection.

use crate::{
    error::{Code, Error, Result},
    pki::certificate::Certificate,
    verify::callback::VerifyCallback,
};
use std::sync::Arc;

use super::{callback_state::ClientParts, driver::Driver, open::Parts, state::SocketState};

/// Who decides about the peer, if anybody does.
pub fn callback_of(driver: &Driver, state: &SocketState) -> Option<VerifyCallback> {
    let config = match (&state.serving, driver.verify_callback.client.get()) {
        (Some(serving), _) => &serving.choice().frozen.config,
        (None, Some(client)) => &client.frozen.config,
        (None, None) => return None,
    };
    config.verify_callback.clone()
}

/// Lets the program decide. The state's lock is free meanwhile.
pub fn ask(driver: &Arc<Driver>) -> Result<()> {
    let (callback, parts, chain, result) = {
        let state = driver.lock();
        let Some(callback) = callback_of(driver, &state) else { return Ok(()) };
        let no_parts = || Error::new(Code::Internal, "a verify callback without a socket");
        let parts = parts_of(driver, &state).ok_or_else(no_parts)?;
        let pending_refusal = state.tls.pending_refusal();
        (callback, parts, state.tls.peer_chain(), pending_refusal.map(|refusal| refusal.verify_result()))
    };
    let result = result.or_else(|| parts.verify_result()).unwrap_or(0);
    let verified = parts.verified_chain();
    let sent = || chain.into_iter().map(Certificate::new).collect();
    let chain: Vec<Certificate> = if verified.is_empty() { sent() } else { verified };
    let accepted = {
        let _running = driver.verify_callback.begin();
        (callback.decide)(Box::new(parts), chain, result)
    };
    if accepted {
        return Ok(());
    }
    let mut state = driver.lock();
    let error = state.tls.refuse_peer();
    // What is not sent by now goes when the socket is closed or freed.
    let _ = state.flush();
    state.failure.get_or_insert_with(|| error.clone());
    Err(error)
}

/// What the program may ask about: a socket that does not end the connection when it is dropped.
fn parts_of(driver: &Arc<Driver>, state: &SocketState) -> Option<Parts> {
    let driver = driver.clone();
    if let Some(serving) = &state.serving {
        let choice = serving.choice().clone();
        let (frozen, scope) = (choice.frozen.clone(), *choice.context.scope());
        return Some(Parts { driver, sent_name: None, scope, frozen, choice, made_by: None });
    }
    let ClientParts { sent_name, scope, frozen, choice } = driver.verify_callback.client.get()?.as_ref();
    let (sent_name, scope, frozen, choice) = (sent_name.clone(), *scope, frozen.clone(), choice.clone());
    Some(Parts { driver, sent_name, scope, frozen, choice, made_by: None })
}
