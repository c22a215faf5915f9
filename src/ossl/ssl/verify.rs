//! The decision about the peer's certificate.

use crate::ossl::{
    sys,
    verify::{dane, refusal::Refusal},
    x509::{X509, names::is_name_mismatch, store},
};
use openssl_sys as ffi;
use std::ffi::{c_int, c_void};

use super::hooks::{Hooks, guarded, hooks};

/// The Hooks of the connection whose peer's certificate is being verified.
///
/// # Safety
/// `store` is live, and OpenSSL's for an SSL.
unsafe fn hooks_of_store<'a>(store: *mut ffi::X509_STORE_CTX) -> Option<&'a Hooks> {
    // SAFETY: the caller guarantees the store context.
    unsafe { hooks(ssl_of_store(store)) }
}

/// The connection whose peer's certificate is being verified.
///
/// # Safety
/// As for `hooks_of_store`.
unsafe fn ssl_of_store(store: *mut ffi::X509_STORE_CTX) -> *mut ffi::SSL {
    // SAFETY: the caller guarantees the store context, whose ex_data leads to its SSL.
    unsafe { ffi::X509_STORE_CTX_get_ex_data(store, sys::SSL_get_ex_data_X509_STORE_CTX_idx()).cast() }
}

/// Decides about the peer's certificate. OpenSSL calls this once it has the peer's chain.
pub unsafe extern "C" fn verify_callback(store: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live store context.
    match unsafe { hooks_of_store(store) } {
        // SAFETY: the store context is live.
        Some(hooks) => guarded(hooks, 0, || unsafe { decide(store, hooks) }),
        None => 0,
    }
}

/// # Safety
/// `ctx` is live, and holds the peer's chain.
unsafe fn decide(ctx: *mut ffi::X509_STORE_CTX, hooks: &Hooks) -> c_int {
    // SAFETY: the store context lends the peer's certificate.
    let leaf = unsafe { X509::from_borrowed(sys::X509_STORE_CTX_get0_cert(ctx)) };
    // No verification was demanded: the chain is verified when the program asks what is wrong with it.
    if hooks.policy.chain {
        // SAFETY: the store context is live.
        let reason = unsafe { check_chain_and_name(ctx, hooks, leaf.as_ref()) };
        if reason != 0 {
            // SAFETY: likewise.
            let at_fault = unsafe { at_fault(ctx, reason, leaf.as_ref()) };
            let mut refusal = Refusal::chain(reason, at_fault.as_ref());
            // SAFETY: likewise.
            return unsafe {
                if hooks.policy.may_be_overridden {
                    // A program that decides must not take the first fault for the only one, and what it accepts is accepted
                    // until there is one more.
                    let requirements = &hooks.policy.further;
                    let now = requirements.now();
                    hooks.chain_expires.set(requirements.stays_until(store::next_expiry(ctx, now), now));
                    refusal = refusal.and(further(ctx, hooks, reason, at_fault.as_ref(), leaf.as_ref()));
                }
                refuse(ctx, hooks, refusal)
            };
        }
        // SAFETY: likewise.
        unsafe { ffi::X509_STORE_CTX_set_error(ctx, 0) };
    }
    let keys = match hooks.policy.chain {
        // SAFETY: the store context lends the chain that it has verified.
        true => unsafe { X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx)) },
        false => leaf.iter().cloned().collect(),
    };
    let policy = &hooks.policy;
    if let Some(refusal) = policy.refusal_by_key(&keys).or_else(|| policy.refusal_by_list(leaf.as_ref())) {
        // SAFETY: the store context is live.
        return unsafe { refuse(ctx, hooks, refusal) };
    }
    1
}

/// The certificate for which a chain or name is refused for this reason, as far as OpenSSL says.
///
/// # Safety
/// `ctx` is live, and has verified the peer's chain.
unsafe fn at_fault(ctx: *mut ffi::X509_STORE_CTX, reason: c_int, leaf: Option<&X509>) -> Option<X509> {
    match reason {
        reason if is_name_mismatch(reason) => leaf.cloned(),
        // SAFETY: the caller guarantees the store context, which lends the certificate.
        _ => unsafe { store::at_fault(ctx) },
    }
}

/// What else is wrong with a certificate whose chain or name is refused for this reason, because of the certificate
/// `at_fault`. Where it is the chain, no other key than its own counts.
///
/// # Safety
/// `ctx` is live, and has verified the peer's chain.
unsafe fn further(
    ctx: *mut ffi::X509_STORE_CTX,
    hooks: &Hooks,
    reason: c_int,
    at_fault: Option<&X509>,
    leaf: Option<&X509>,
) -> Option<Refusal> {
    let (policy, leaf) = (&hooks.policy, leaf?);
    let time = leaf.validity_at(policy.further.now());
    if time != 0 && (time != reason || at_fault != Some(leaf)) {
        return Some(Refusal::chain(time, Some(leaf)));
    }
    let (name, keys) = match reason {
        reason if is_name_mismatch(reason) => {
            // SAFETY: the caller guarantees the store context, which lends the chain.
            (0, unsafe { X509::from_borrowed_stack(ffi::X509_STORE_CTX_get0_chain(ctx)) })
        }
        _ => (policy.check_name(hooks.expected.borrow().as_ref(), leaf, false), vec![leaf.clone()]),
    };
    let by_name = (name != 0).then(|| Refusal::chain(name, Some(leaf)));
    by_name.or_else(|| policy.refusal_by_key(&keys)).or_else(|| policy.refusal_by_list(Some(leaf)))
}

/// Builds and checks the chain, and then the name: an `X509_V_*` code, 0 only if both are right. Our own call checks the
/// name, because OpenSSL loses it without a word where it cannot allocate memory for a copy.
///
/// # Safety
/// `ctx` is live, and holds the peer's chain.
unsafe fn check_chain_and_name(ctx: *mut ffi::X509_STORE_CTX, hooks: &Hooks, leaf: Option<&X509>) -> c_int {
    // SAFETY: the caller guarantees the store context.
    let Some(_lent) = (unsafe { hooks.policy.further.prepare(ctx) }) else { return sys::X509_V_ERR_OUT_OF_MEM };
    let has_records = !hooks.policy.further.tlsa.is_empty();
    if has_records {
        // A session that is offered brings its own result along, and records do not match beside a bad one.
        // SAFETY: likewise; its ex_data leads to its live SSL.
        unsafe { sys::SSL_set_verify_result(ssl_of_store(ctx), 0) };
    }
    // SAFETY: likewise.
    let chain = unsafe { store::verify(ctx) };
    if chain != 0 {
        return chain;
    }
    let Some(leaf) = leaf else { return sys::X509_V_ERR_UNSPECIFIED };
    // SAFETY: likewise; its ex_data leads to its live SSL.
    let is_known_by_key = has_records && unsafe { dane::matched_end_entity(ssl_of_store(ctx)) };
    hooks.is_known_by_key.set(is_known_by_key);
    let name = hooks.policy.check_name(hooks.expected.borrow().as_ref(), leaf, is_known_by_key);
    if name != 0 {
        return name;
    }
    if is_known_by_key {
        return 0;
    }
    // SAFETY: likewise.
    match unsafe { store::chain_expires(ctx) } {
        Ok(expires) => {
            hooks.chain_expires.set(hooks.policy.further.holds_until(expires));
            0
        }
        Err(_) => sys::X509_V_ERR_UNSPECIFIED,
    }
}

/// Notes why the peer was refused, and what it has shown. What it gives is for OpenSSL: whether the handshake goes on.
///
/// # Safety
/// `store` is live, and holds the peer's chain.
unsafe fn refuse(store: *mut ffi::X509_STORE_CTX, hooks: &Hooks, refusal: Refusal) -> c_int {
    // SAFETY: the caller guarantees the store context.
    unsafe { ffi::X509_STORE_CTX_set_error(store, refusal.verify_result()) };
    if hooks.policy.may_be_overridden {
        hooks.pending_refusal.replace(Some(refusal));
        return 1;
    }
    hooks.refusal.replace(Some(refusal));
    // SAFETY: likewise; it lends the certificates.
    hooks.refused.replace(unsafe { X509::from_borrowed_stack(sys::X509_STORE_CTX_get0_untrusted(store)) });
    0
}
