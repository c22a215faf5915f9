//! The program's say about the peer, once the handshake is complete and before anything else may use the connection.

use crate::{
    certificate::Certificate,
    error::{Code, Error, Result},
    verify::judge::Judge,
};
use std::sync::Arc;

use super::{driver::Driver, judge_seat::ClientParts, open::Parts, state::SocketState};

/// Who decides about the peer, if anybody does.
pub fn of(driver: &Driver, state: &SocketState) -> Option<Judge> {
    let config = match (&state.serving, driver.judge_seat.client.get()) {
        (Some(serving), _) => &serving.choice().frozen.config,
        (None, Some(client)) => &client.frozen.config,
        (None, None) => return None,
    };
    config.judge.clone()
}

/// Lets the program decide. The state's lock is free meanwhile.
pub fn judge(driver: &Arc<Driver>) -> Result<()> {
    let (judge, parts, chain, result) = {
        let state = driver.lock();
        let Some(judge) = of(driver, &state) else { return Ok(()) };
        let no_parts = || Error::new(Code::Internal, "a judge without a socket");
        let parts = parts_of(driver, &state).ok_or_else(no_parts)?;
        let open_refusal = state.tls.open_refusal();
        (judge, parts, state.tls.peer_chain(), open_refusal.map(|refusal| refusal.verify_result()))
    };
    let result = result.or_else(|| parts.verify_result()).unwrap_or(0);
    let verified = parts.verified_chain();
    let sent = || chain.into_iter().map(Certificate::new).collect();
    let chain: Vec<Certificate> = if verified.is_empty() { sent() } else { verified };
    let accepted = {
        let _taken = driver.judge_seat.take();
        (judge.decide)(Box::new(parts), chain, result)
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
    let ClientParts { sent_name, scope, frozen, choice } = driver.judge_seat.client.get()?.as_ref();
    let (sent_name, scope, frozen, choice) = (sent_name.clone(), *scope, frozen.clone(), choice.clone());
    Some(Parts { driver, sent_name, scope, frozen, choice, made_by: None })
}
