//! DTLS: what connections over datagrams have of their own.

use crate::{
    config::Config,
    error::{Error, Result},
    socket::Socket,
    types::Medium,
};
use std::{ffi::c_int, time::Duration};

use crate::ffi::{
    config::{bgl_ssl_config_t, change},
    convert, guard, handle,
    server::bgl_ssl_server_t,
    socket::bgl_ssl_socket_t,
    status::bgl_ssl_status_t,
};

/// The smallest and the largest MTU that can be set.
const MTU_RANGE: std::ops::RangeInclusive<c_int> = 256..=65535;

fn mtu(bytes: c_int) -> Result<Option<usize>> {
    match bytes {
        0 => Ok(None),
        _ if MTU_RANGE.contains(&bytes) => Ok(usize::try_from(bytes).ok()),
        _ => Err(Error::argument(format!("an MTU of {bytes} is neither 0 nor between 256 and 65535"))),
    }
}

/// Sets the MTU for datagrams (DTLS): the size of the largest IP packet that connections send, IP's and UDP's headers
/// (28 bytes, with IPv6 48) included. It bounds the records, and so what one write can carry.
///
/// bytes: 256 to 65535; 0 to use what the system knows about each path (the default), or 1280 if it knows
/// nothing; the packets of the handshake have 1400 bytes at most then, which more peers and paths take.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread. See
/// RFC 6347, section 4.1.1.1.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_mtu(config: *mut bgl_ssl_config_t, bytes: c_int) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.datagrams.mtu = mtu(bytes)?;
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets how long a DTLS handshake waits for an answer before it sends its last messages again. Each further time it
/// waits twice as long, at most 60 s.
///
/// microseconds: 1000 to 60000000. Default: 1 s (RFC 6347, section 4.2.4.1); on fast networks less is better.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_retransmission_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        let micros = u64::try_from(microseconds).unwrap_or(0);
        if !(1_000..=60_000_000).contains(&micros) {
            let message =
                format!("a retransmission timeout of {microseconds} microseconds is not between 1 ms and 60 s");
            return Err(Error::argument(message));
        }
        config.datagrams.retransmission = Duration::from_micros(micros);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets how long a client of a DTLS server may be silent before its connection ends: reads, and
/// bgl_ssl_socket_handle_timeout, then return BGL_SSL_E_TIMEOUT, in all later calls too. With datagrams a server is not
/// informed when a client disappears without close_notify, so this limit bounds the number of such sockets. Only
/// authenticated messages reset it: data that were read, and the end of the handshake.
///
/// microseconds: 0 for no limit. Default: 15 minutes. It has no effect on clients.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_idle_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.datagrams.idle = convert::limit(microseconds)?;
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets how many clients a DTLS server has at once; further ones are not answered until one has left, or has been
/// silent for longer than the idle timeout. Independently of this limit, at most 1024 handshakes are in progress at
/// once, at most 256 of them with one host. See bgl_ssl_config_set_max_peers_per_host.
///
/// peers: at least 1. Default: 10000. Each takes a descriptor.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_max_peers(
    config: *mut bgl_ssl_config_t,
    peers: usize,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        if peers == 0 {
            return Err(Error::argument("a server has at least one peer"));
        }
        config.datagrams.max_peers = peers;
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Sets how many clients of one host a DTLS server has at once, so that one host cannot use up the connections and
/// descriptors. A host is an IPv4 address, or a /64 network of IPv6. Many clients behind one NAT or one proxy are one
/// host.
///
/// peers: 0 for the default: a quarter of the maximum of peers or of the descriptors that the process may have
/// (RLIMIT_NOFILE at the time of bgl_ssl_listen), whichever is less, but at least 64 if the maximum allows it.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_max_peers_per_host(
    config: *mut bgl_ssl_config_t,
    peers: usize,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.datagrams.max_peers_per_host = Some(peers).filter(|peers| *peers > 0);
        Ok(())
    };
    // SAFETY: the precondition covers the handle.
    unsafe { change(config, set) }
}

/// Whether a socket sends and receives datagrams (DTLS) rather than a stream.
///
/// Returns false also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_is_datagram(socket: *const bgl_ssl_socket_t) -> bool {
    // SAFETY: the precondition covers the handle.
    guard::or(false, || unsafe { handle::with(socket, |socket| Ok(socket.mtu().is_some())) })
}

/// Whether a server takes datagrams (DTLS) rather than streams.
///
/// Returns false also for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: server is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_is_datagram(server: *const bgl_ssl_server_t) -> bool {
    // SAFETY: the precondition covers the handle.
    guard::or(false, || unsafe { handle::with(server, |server| Ok(server.medium() == Medium::Datagrams)) })
}

/// The largest number of bytes that one bgl_ssl_socket_write can send over datagrams at present: it follows the path's
/// MTU.
///
/// Returns 0 for a stream, before the handshake, and for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_max_datagram(socket: *const bgl_ssl_socket_t) -> usize {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe { handle::with(socket, |socket| Ok(socket.record_limit().unwrap_or(0))) })
}

/// The present MTU of a datagram socket's path: what was set, or what the system knows.
///
/// Returns the size of the largest IP packet, its headers included; 0 for a stream, and for NULL (BGL_SSL_E_ARGUMENT).
/// Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_mtu(socket: *const bgl_ssl_socket_t) -> c_int {
    // SAFETY: the precondition covers the handle.
    guard::or(0, || unsafe {
        handle::with(socket, |socket| Ok(socket.mtu().map_or(0, |mtu| c_int::try_from(mtu).unwrap_or(c_int::MAX))))
    })
}

/// Sets the MTU of a datagram socket; the config's until then.
///
/// bytes: as for bgl_ssl_config_set_mtu.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE for a stream. Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_set_mtu(socket: *const bgl_ssl_socket_t, bytes: c_int) -> bgl_ssl_status_t {
    let set = |socket: &Socket| socket.set_mtu(mtu(bytes)?);
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, set) })
}

/// The time until a non-blocking call that could not be completed (a handshake, read, write or close) reaches its
/// limit, or a datagram socket must act: send a handshake's messages again, or end a connection whose
/// peer is silent for too long. Event loops poll(2) for at most that time, then call
/// bgl_ssl_socket_handle_timeout. Blocking calls and bgl_ssl_server_accept do this themselves.
///
/// Returns microseconds, 0 if it is due; -1 if nothing is ever due, and for NULL (BGL_SSL_E_ARGUMENT).
/// Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_timeout(socket: *const bgl_ssl_socket_t) -> i64 {
    // SAFETY: the precondition covers the handle.
    guard::or(-1, || unsafe {
        handle::with(socket, |socket| {
            Ok(socket.time_to_timer().map_or(-1, |left| i64::try_from(left.as_micros()).unwrap_or(i64::MAX)))
        })
    })
}

/// Handles the time-outs that bgl_ssl_socket_timeout announced; does nothing if none is due.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_TIMEOUT if a call has reached its limit, which that call returns too when it is made
/// again (its phase says which call), or if the peer has been silent for too long, or the handshake's messages were
/// sent too often without an answer, which ends the connection; BGL_SSL_E_STATE if the socket is closed; what ended the
/// connection before; BGL_SSL_E_ARGUMENT for NULL. Never blocks; any thread.
///
/// Precondition: socket is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_socket_handle_timeout(socket: *const bgl_ssl_socket_t) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    guard::done(|| unsafe { handle::with(socket, Socket::handle_timer) })
}
