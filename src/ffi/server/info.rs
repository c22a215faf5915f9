//! Counters of a server.

use crate::{server::Server, socket::server::counts::ServerCounts};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::bgl_ssl_server_t;
use crate::ffi::{guard, handle, sized, status::bgl_ssl_status_t};

/// What has become of a server's clients, since the server was made. The caller sets size beforehand; later versions
/// may add fields at the end. Each client that was accepted and has no handshake in progress is in one of: handshakes,
/// refused, failed_..., abandoned.
#[repr(C)]
pub struct bgl_ssl_server_info_t {
    /// In: sizeof(bgl_ssl_server_info_t). Out: how much of it the library knows.
    pub size: usize,
    /// Clients that were accepted, or upgraded with bgl_ssl_server_upgrade_fd; with DTLS, those that have shown their
    /// address.
    pub accepted: u64,
    /// Of these, connections whose sockets are neither closed nor freed.
    pub open: u64,
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Of these, resumed ones.
    pub resumed: u64,
    /// Clients that were refused because the host that they ask for is unknown (bgl_ssl_config_set_unknown_host), or by
    /// bgl_ssl_socket_refuse.
    pub refused: u64,
    /// Handshakes that failed with BGL_SSL_E_PROTOCOL: no TLS, nothing in common, an alert of the client's.
    pub failed_protocol: u64,
    /// With BGL_SSL_E_VERIFY or BGL_SSL_E_NAME: the client's certificate.
    pub failed_verify: u64,
    /// With BGL_SSL_E_TIMEOUT.
    pub failed_timeout: u64,
    /// With BGL_SSL_E_IO or BGL_SSL_E_TRUNCATED: the client has left.
    pub failed_io: u64,
    /// With another status: a reason on this side.
    pub failed_other: u64,
    /// Connections that were closed or freed on this side before their handshake had come to anything.
    pub abandoned: u64,
}

/// Copies what a server has counted into a structure. The numbers are read one after the other while clients come and
/// go.
///
/// info: its size field says how large it is; what the library does not know of it is zeroed.
///
/// Returns BGL_SSL_OK, for a closed server, too; BGL_SSL_E_ARGUMENT for NULL, and for a size field that is too small or
/// was not set. Never blocks; any thread.
///
/// Precondition: server is NULL or live; info is NULL or writable for as many bytes as its size field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_server_info(
    server: *const bgl_ssl_server_t,
    info: *mut bgl_ssl_server_info_t,
) -> bgl_ssl_status_t {
    // SAFETY: the preconditions cover the handle and the structure, which begins with its size.
    guard::done(|| unsafe {
        sized::store(info, "info", || handle::with(server, |server: &Server| Ok(info_of(server.counts()))))
    })
}

fn info_of(counts: &ServerCounts) -> bgl_ssl_server_info_t {
    let number = |number: &AtomicU64| number.load(Relaxed);
    bgl_ssl_server_info_t {
        size: size_of::<bgl_ssl_server_info_t>(),
        accepted: number(&counts.accepted),
        open: number(&counts.open),
        handshakes: number(&counts.handshakes),
        resumed: number(&counts.resumed),
        refused: number(&counts.refused),
        failed_protocol: number(&counts.failed_protocol),
        failed_verify: number(&counts.failed_verify),
        failed_timeout: number(&counts.failed_timeout),
        failed_io: number(&counts.failed_io),
        failed_other: number(&counts.failed_other),
        abandoned: number(&counts.abandoned),
    }
}
