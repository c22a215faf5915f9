//! Configs: what a connection should be.

pub mod files;

use crate::{
    alpn,
    config::{ClientCertificate, Config, ConfigHandle, ServerName, Verify},
    error::{Error, Result},
    hostname::Hostname,
    net::deadline::Limit,
    private_key::PrivateKey,
    protocol::Protocol,
};
use std::{
    ffi::{CString, c_char},
    ptr,
    time::Duration,
};

use crate::ffi::{
    certificate::bgl_ssl_certificate_t,
    certificate::private_key::bgl_ssl_private_key_t,
    convert, guard,
    handle::{self, Handle},
    status::bgl_ssl_status_t,
};

/// What a connection should be: plain settings with secure defaults. The first use by a socket or server freezes a
/// config: from then on it is shared by all of them, and the functions that change it return BGL_SSL_E_STATE.
pub struct bgl_ssl_config_t {
    _private: [u8; 0],
}

impl Handle for bgl_ssl_config_t {
    type Rust = ConfigHandle;
    const TAG: u64 = 0x4247_4c53_434f_4e46;
    const NOUN: &'static str = "config";
}

/// Clients are required to present a certificate if CA certificates or accepted certificates are set; else they are not
/// asked. The default.
pub const BGL_SSL_CLIENT_CERTIFICATE_AUTO: i32 = 0;
/// Clients are not asked for a certificate. Not together with accepted certificates: BGL_SSL_E_CONFIG when the config is
/// frozen.
pub const BGL_SSL_CLIENT_CERTIFICATE_NONE: i32 = 1;
/// Clients are asked; one without a certificate is served all the same.
pub const BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL: i32 = 2;
/// Clients must present a certificate.
pub const BGL_SSL_CLIENT_CERTIFICATE_REQUIRED: i32 = 3;

/// Makes a config with the defaults: TLS 1.2 or newer; a peer verified against the system's CAs and, on a client, for
/// the name of the host connected to; no certificate of its own; 30 s to connect, 10 s for a handshake (DTLS: 60 s), 2 s
/// to close, no limit for reads and writes.
///
/// Returns a config, to be freed with bgl_ssl_config_free, or NULL (BGL_SSL_E_INTERNAL). Never blocks; any thread.
#[unsafe(no_mangle)]
pub extern "C" fn bgl_ssl_config_new() -> *mut bgl_ssl_config_t {
    guard::or(ptr::null_mut(), || Ok(handle::give(ConfigHandle::default())))
}

/// Makes a config with the settings of another one; the copy is not frozen.
///
/// Returns a config, to be freed with bgl_ssl_config_free, or NULL for NULL (BGL_SSL_E_ARGUMENT). Never blocks; any
/// thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_copy(config: *const bgl_ssl_config_t) -> *mut bgl_ssl_config_t {
    // SAFETY: the caller vouches for the handle.
    guard::or(ptr::null_mut(), || unsafe { handle::with(config, |config| Ok(handle::give(config.copy()))) })
}

/// Frees a config; sockets and servers made with it live on. Takes NULL; returns nothing, never fails, never blocks.
///
/// Precondition: config is NULL or live, and the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_free(config: *mut bgl_ssl_config_t) {
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::free(config) }
}

/// Freezes a config now, so that what does not fit together is found before any connection is made.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_CONFIG or BGL_SSL_E_UNSUPPORTED if settings contradict one another or OpenSSL refuses
/// one, and then the config is not frozen; BGL_SSL_E_ARGUMENT for NULL. Any thread. Blocks no longer than the disk that
/// holds the system's CA certificates.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_freeze(config: *const bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(config, |config| config.freeze().map(|_| ())) })
}

/// Sets something in a config, as long as it is not frozen.
///
/// Precondition: config is NULL or live.
unsafe fn apply(config: *const bgl_ssl_config_t, set: impl FnOnce(&mut Config)) -> Result<()> {
    let set = |config: &mut Config| {
        set(config);
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { handle::with(config, |config| config.change(set)) }
}

/// Changes a config's settings, as long as it is not frozen.
///
/// Precondition: config is NULL or live.
pub unsafe fn change(
    config: *const bgl_ssl_config_t,
    change: impl FnOnce(&mut Config) -> Result<()>,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { handle::with(config, |config| config.change(change)) })
}

/// Sets the protocol to speak, and forgets a minimum and a maximum.
///
/// protocol: a BGLSSL_... number. Default: BGLSSL_SSLV23.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.protocol = Protocol::from_number(protocol)?;
        config.versions.min = None;
        config.versions.max = None;
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}

/// Sets the lowest TLS version to speak.
///
/// protocol: BGLSSL_TLSV1_0, BGLSSL_TLSV1_1, BGLSSL_TLSV1_2 or BGLSSL_TLSV1_3. OpenSSL 3 speaks TLS 1.0 and 1.1 only at
/// security level 0: add "@SECLEVEL=0" to the cipher list if they are wanted beside newer versions.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_min_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.min = Some(version(protocol)?);
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}

/// Sets the highest TLS version to speak.
///
/// protocol: BGLSSL_TLSV1_0, BGLSSL_TLSV1_1, BGLSSL_TLSV1_2 or BGLSSL_TLSV1_3. Default: what OpenSSL has.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_max_protocol(
    config: *mut bgl_ssl_config_t,
    protocol: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.versions.max = Some(version(protocol)?);
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}

fn version(number: i32) -> Result<Protocol> {
    match Protocol::from_number(number)? {
        version @ (Protocol::Tlsv1_0 | Protocol::Tlsv1_1 | Protocol::Tlsv1_2 | Protocol::Tlsv1_3) => Ok(version),
        Protocol::Tls => Err(Error::argument("tls (or tlsv1) means any version: TLS 1.0 is tlsv1_0")),
        other => Err(Error::argument(format!("{} is no version that can bound others", other.name()))),
    }
}

/// Sets what the connection presents of itself: a certificate and its private key.
///
/// certificate, private_key: both, or both NULL for none (the default). The config takes references of its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if the key does not belong to the certificate, or
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live, the others likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate(
    config: *mut bgl_ssl_config_t,
    certificate: *const bgl_ssl_certificate_t,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for the handles.
        unsafe {
            let certificate = handle::borrow_optional(certificate)?.cloned();
            let key: Option<PrivateKey> = handle::borrow_optional(private_key)?.cloned();
            let chain = certificate.into_iter().collect();
            handle::with(config, |config| config.change(|config| config.set_identity(chain, key)))
        }
    })
}

/// Sets what the connection presents of itself: a certificate, the intermediate ones that lead from it to a CA, and the
/// private key of the first.
///
/// chain, count: the certificates, the connection's own first; NULL and 0, with private_key NULL, for none. The config
/// takes references of its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, BGL_SSL_E_CONFIG if the key does not belong to the certificate, or
/// BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live, the others likewise; chain is readable for count pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_certificate_chain(
    config: *mut bgl_ssl_config_t,
    chain: *const *const bgl_ssl_certificate_t,
    count: usize,
    private_key: *const bgl_ssl_private_key_t,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for the handles.
        unsafe {
            let chain = convert::clones(chain, count, "certificate chain")?;
            let key: Option<PrivateKey> = handle::borrow_optional(private_key)?.cloned();
            handle::with(config, |config| config.change(|config| config.set_identity(chain, key)))
        }
    })
}

/// Sets the CA certificates against which the peer is verified. Each of them is an anchor: the peer's chain may end at
/// any of them, self-signed or not, directly or indirectly. A server names them to its clients.
///
/// certificates, count: NULL and 0 for the system's CAs (the default); not NULL with count 0 trusts nobody. The config
/// takes references of its own.
///
/// The system's CAs are those of the file SSL_CERT_FILE (default: OpenSSL's) and of the directories SSL_CERT_DIR (default:
/// OpenSSL's). Each variable replaces its own default only: a program that wants to restrict trust sets both, or gives
/// its CAs here. They are read when a config that needs them is used for the first time; a file that is named but
/// missing, unreadable or without certificates is BGL_SSL_E_CONFIG or BGL_SSL_E_IO then. A later config notices that they
/// have changed. getenv(3) reads the variables: a program that calls setenv(3) does so while no other thread uses this
/// library.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; certificates is NULL or readable for count live handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_ca_certificates(
    config: *mut bgl_ssl_config_t,
    certificates: *const *const bgl_ssl_certificate_t,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for the handles.
        unsafe {
            let list = convert::clones(certificates, count, "CA certificates")?;
            let cas = if certificates.is_null() { None } else { Some(list) };
            apply(config, |config| config.cas = cas)
        }
    })
}

/// Sets the list of certificates one of which the peer must present, beside what else is verified. A server with such a
/// list demands a certificate of its clients, or asks for one if BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL is set.
///
/// certificates, count: NULL for any (the default); not NULL with count 0 accepts nobody. The config takes references of
/// its own.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; certificates is NULL or readable for count live handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_accepted_certificates(
    config: *mut bgl_ssl_config_t,
    certificates: *const *const bgl_ssl_certificate_t,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for the handles.
        unsafe {
            let list = convert::clones(certificates, count, "accepted certificates")?;
            let accepted = if certificates.is_null() { None } else { Some(list) };
            apply(config, |config| config.accepted = accepted)
        }
    })
}

/// Verifies the peer's chain and, on a client, that the certificate is for the host connected to (RFC 6125): by its
/// DNS names, or by its CommonName if it has none; an IP address only by an address in the certificate. OpenSSL's own
/// functions match. The default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_verify_chain_and_name(config: *mut bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::ChainAndName) })
}

/// Verifies the peer's chain but not whom the certificate is for: whoever holds any certificate of these CAs can pretend
/// to be the host.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_verify_chain_only(
    config: *mut bgl_ssl_config_t,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::ChainOnly) })
}

/// Verifies nothing: anybody can pretend to be the peer. The chain is checked when the program asks for the result, by
/// bgl_ssl_socket_verify_result. A list of accepted certificates is still enforced.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_insecure_verify_none(config: *mut bgl_ssl_config_t) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { apply(config, |config| config.verify = Verify::None) })
}

/// Sets whether a server asks its clients for a certificate.
///
/// mode: BGL_SSL_CLIENT_CERTIFICATE_... A certificate that is presented is verified as the config says.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_client_certificate(
    config: *mut bgl_ssl_config_t,
    mode: i32,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.client_certificate = match mode {
            BGL_SSL_CLIENT_CERTIFICATE_AUTO => ClientCertificate::Auto,
            BGL_SSL_CLIENT_CERTIFICATE_NONE => ClientCertificate::None,
            BGL_SSL_CLIENT_CERTIFICATE_OPTIONAL => ClientCertificate::Optional,
            BGL_SSL_CLIENT_CERTIFICATE_REQUIRED => ClientCertificate::Required,
            _ => return Err(Error::argument(format!("no client certificate mode has the number {mode}"))),
        };
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}

/// Sets the name under which a client verifies the peer and which it sends as SNI, where that is not the host connected
/// to.
///
/// hostname: an ASCII DNS name (A-labels for others) or an IP address; NULL for the host connected to (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; hostname is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_hostname(
    config: *mut bgl_ssl_config_t,
    hostname: *const c_char,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for text and handle.
        unsafe {
            let hostname = convert::optional_text(hostname, "host name")?.map(Hostname::parse).transpose()?;
            apply(config, |config| config.hostname = hostname)
        }
    })
}

/// Sets the name that a client sends as SNI (RFC 6066), without any effect on what is verified.
///
/// server_name: an ASCII DNS name; NULL for the host's (the default; an IP address is never sent); "" to send none.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; server_name is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_server_name(
    config: *mut bgl_ssl_config_t,
    server_name: *const c_char,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for text and handle.
        unsafe {
            let choice = match convert::optional_text(server_name, "server name")? {
                None => ServerName::Host,
                Some("") => ServerName::Omitted,
                Some(name) => match Hostname::parse(name)? {
                    Hostname::Name(name) => ServerName::Given(name),
                    Hostname::Ip(_) => {
                        return Err(Error::argument("an IP address is never sent as SNI (RFC 6066)"));
                    }
                },
            };
            apply(config, |config| config.server_name = choice)
        }
    })
}

/// Sets the application protocols (ALPN, RFC 7301) that a client offers, or among which a server chooses, best first. A
/// server refuses a client that offers only others.
///
/// names, count: texts of 1 to 255 bytes each; NULL and 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; names is NULL or readable for count NUL-terminated texts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_alpn(
    config: *mut bgl_ssl_config_t,
    names: *const *const c_char,
    count: usize,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for texts and handle.
        unsafe {
            let names = convert::slice(names, count, "list of ALPN names")?;
            let names = names.iter().map(|name| convert::c_text(*name, "ALPN name").map(std::ffi::CStr::to_bytes));
            let wire = alpn::wire(names.collect::<Result<Vec<_>>>()?)?;
            apply(config, |config| config.alpn = wire)
        }
    })
}

/// Sets the ciphers for TLS 1.2 and before, in OpenSSL's notation (openssl-ciphers(1)), such as "HIGH:!aNULL". A bad
/// list, or one without a cipher for the only protocol version, is found when the config is frozen (BGL_SSL_E_CONFIG).
///
/// list: NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_cipher_list(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for text and handle.
    unsafe { set_list(config, list, |config| &mut config.cipher_list) }
}

/// Sets the cipher suites for TLS 1.3, such as "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256". A bad list is found
/// when the config is frozen (BGL_SSL_E_CONFIG).
///
/// list: NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_cipher_suites(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for text and handle.
    unsafe { set_list(config, list, |config| &mut config.cipher_suites) }
}

/// Sets the groups for key agreement, best first, such as "X25519:P-256". A bad list is found when the config is frozen
/// (BGL_SSL_E_CONFIG).
///
/// list: NULL for OpenSSL's default.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_groups(
    config: *mut bgl_ssl_config_t,
    list: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for text and handle.
    unsafe { set_list(config, list, |config| &mut config.groups) }
}

/// Precondition: config is NULL or live; list is NULL or NUL-terminated.
unsafe fn set_list(
    config: *const bgl_ssl_config_t,
    list: *const c_char,
    field: impl FnOnce(&mut Config) -> &mut Option<CString>,
) -> bgl_ssl_status_t {
    guard::done(|| {
        // SAFETY: the caller vouches for text and handle.
        unsafe {
            let list = convert::optional_c_string(list, "list")?;
            apply(config, |config| *field(config) = list)
        }
    })
}

/// Sets the time limit for bgl_ssl_connect as a whole: looking the name up, connecting, and the handshake.
///
/// microseconds: 0 for none. Default: 30 s.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_connect_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.connect) }
}

/// Sets the time limit for a handshake, on either end.
///
/// microseconds: 0 for none. Default: 10 s; for datagrams (DTLS) 60 s, because what is lost is sent again after 1 s, then
/// 2, 4 ...
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_handshake_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { set_limit(config, microseconds, |config| config.limits.handshake.get_or_insert(None)) }
}

/// Sets the time limit for one read.
///
/// microseconds: 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_read_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.read) }
}

/// Sets the time limit for one write, and for ending the writing half.
///
/// microseconds: 0 for none (the default).
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_write_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    unsafe { set_limit(config, microseconds, |config| &mut config.limits.write) }
}

/// Sets the time limit for a close: for flushing, which the call waits for, and for the peer's last bytes, which are
/// taken in the background.
///
/// microseconds: 0: a close waits for nothing, neither in the call nor in the background. Default: 2 s.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_close_timeout(
    config: *mut bgl_ssl_config_t,
    microseconds: i64,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        config.limits.close = convert::limit(microseconds)?.unwrap_or(Duration::ZERO);
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}

/// Sets whether the handshake is left to a socket's first read, write or bgl_ssl_socket_handshake, so that connecting,
/// upgrading and accepting do not wait for it.
///
/// lazy: default false.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_lazy_handshake(
    config: *mut bgl_ssl_config_t,
    lazy: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the caller vouches for the handle.
    guard::done(|| unsafe { apply(config, |config| config.lazy_handshake = lazy) })
}

/// Precondition: config is NULL or live.
unsafe fn set_limit(
    config: *const bgl_ssl_config_t,
    microseconds: i64,
    field: impl FnOnce(&mut Config) -> &mut Limit,
) -> bgl_ssl_status_t {
    let set = |config: &mut Config| {
        *field(config) = convert::limit(microseconds)?;
        Ok(())
    };
    // SAFETY: the caller vouches for the handle.
    unsafe { change(config, set) }
}
