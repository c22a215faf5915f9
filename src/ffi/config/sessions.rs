//! Sessions of servers: tickets or a cache, how many, for how long.

use crate::{
    error::Error,
    ossl::session::rules::LONGEST_LIFETIME,
    session::{CacheLimits, SessionMode},
};
use std::ffi::c_void;

use super::{bgl_ssl_config_t, change, ticket_keys::bgl_ssl_ticket_keys_t};
use crate::ffi::{convert, handle, status::bgl_ssl_status_t};

/// Tickets carry the sessions of servers. The default.
pub const BGL_SSL_SESSIONS_TICKETS: i32 = 0;
/// The memory of the process carries the sessions of servers.
pub const BGL_SSL_SESSIONS_CACHE: i32 = 1;
/// Servers have no sessions: each handshake is a full one.
pub const BGL_SSL_SESSIONS_NONE: i32 = 2;

/// The most tickets that a client gets at once.
const MOST_TICKETS: u32 = 16;

/// Sets what carries the sessions that clients of a server may resume. Clients are not concerned.
///
/// mode: BGL_SSL_SESSIONS_TICKETS: the server keeps nothing. BGL_SSL_SESSIONS_CACHE: the server keeps sessions, as many
/// as bgl_ssl_config_set_session_cache says; clients get an id of each (with TLS 1.3 as a ticket). They are this
/// process's, and survive a change of the server's config. BGL_SSL_SESSIONS_NONE: clients get neither tickets nor ids.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_sessions(config: *mut bgl_ssl_config_t, mode: i32) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.sessions.mode = match mode {
                BGL_SSL_SESSIONS_TICKETS => SessionMode::Tickets,
                BGL_SSL_SESSIONS_CACHE => SessionMode::Cache,
                BGL_SSL_SESSIONS_NONE => SessionMode::None,
                _ => return Err(Error::argument(format!("no mode of sessions has the number {mode}"))),
            };
            Ok(())
        })
    }
}

/// Sets how many sessions a server gives to a client after a full handshake of TLS 1.3: a client needs one for each of
/// the connections that it opens at the same time. After a resumed handshake it is one, and before TLS 1.3 it is always
/// one.
///
/// count: 0 to 16; 0 is BGL_SSL_SESSIONS_NONE. Default: 2.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// RFC 8446, section 4.6.1.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_tickets(config: *mut bgl_ssl_config_t, count: u32) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            let fits = u8::try_from(count).ok().filter(|_| count <= MOST_TICKETS);
            let refused = || Error::argument(format!("{count} tickets at once: {MOST_TICKETS} are the most"));
            config.sessions.count = fits.ok_or_else(refused)?;
            Ok(())
        })
    }
}

/// Sets for how long clients of a server may resume a session, counted from its full handshake: a ticket that replaces
/// another ends with the first one.
///
/// microseconds: one second to 7 days; what is less than a second is cut off. Default: 2 hours.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// RFC 8446, section 4.6.1.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_session_lifetime(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    const SECOND: i64 = 1_000_000;
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            let seconds = microseconds.div_euclid(SECOND);
            if !(1..=LONGEST_LIFETIME).contains(&seconds) || microseconds > LONGEST_LIFETIME * SECOND {
                return Err(Error::argument("a session's lifetime is between one second and 7 days"));
            }
            config.sessions.lifetime = seconds;
            Ok(())
        })
    }
}

/// Sets how much memory a server's sessions take, with BGL_SSL_SESSIONS_CACHE. Where there are more, the oldest are
/// dropped: their clients' next handshakes are full ones.
///
/// sessions: how many there are at most; at least 1. Default: 10000.
/// bytes: how much memory all of them take at most, at least 4096. A session has about 500 bytes, and 1 to 2 kB with a
/// client's certificate. Default: 16 MB.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_session_cache(
    config: *mut bgl_ssl_config_t,
    sessions: usize,
    bytes: usize,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            if sessions < 1 || bytes < 4096 {
                return Err(Error::argument("a cache of sessions has space for one, and 4096 bytes, at least"));
            }
            config.sessions.cache = CacheLimits { sessions, bytes };
            Ok(())
        })
    }
}

/// Sets the keys of a server's tickets. Several configs may have the same: what was agreed with one host is still never
/// resumed with another, nor by a server whose certificates are for other names (after a renewal that changes the names
/// there are full handshakes). A host's config without keys has those of the server.
///
/// keys: NULL for keys of the server's own, made at random and renewed every 12 hours (the default). The config keeps
/// them alive; keys that are added later count.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live, keys likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ticket_keys(
    config: *mut bgl_ssl_config_t,
    keys: *const bgl_ssl_ticket_keys_t,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handles.
    unsafe {
        change(config, |config| {
            config.sessions.ticket_keys = handle::borrow_optional(keys)?.cloned();
            Ok(())
        })
    }
}

/// Sets OpenSSL's session id context for the sessions of a server, in place of a digest of the config's settings. This
/// is for servers that share ticket keys with other programs: a session is resumed by a server with the same context.
/// Clients must not be asked for certificates then, because what the others have found out about them is not known:
/// such a config cannot be frozen (BGL_SSL_E_CONFIG). Let all of the servers allow the same versions and ciphers.
///
/// id: len bytes, at most 32; copied. With a len of 0 it is the digest (the default). What nginx has: docs/sessions.md.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// SSL_CTX_set_session_id_context(3).
///
/// Precondition: config is NULL or live; id is NULL or readable for len bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_session_id_context(
    config: *mut bgl_ssl_config_t,
    id: *const c_void,
    len: usize,
) -> bgl_ssl_status_t {
    const LONGEST: usize = 32;
    // SAFETY: the precondition covers handle and bytes.
    unsafe {
        change(config, |config| {
            if len > LONGEST {
                return Err(Error::argument(format!(
                    "a session id context has {LONGEST} bytes at most, not {len}"
                )));
            }
            let id = convert::bytes(id, len, "session id context")?;
            config.sessions.id_context = if id.is_empty() { None } else { Some(id.to_vec()) };
            Ok(())
        })
    }
}
