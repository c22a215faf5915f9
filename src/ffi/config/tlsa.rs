//! DANE: TLSA records that say which certificates or keys a server may have.

use crate::pki::tlsa;
use std::ffi::c_char;

use crate::ffi::{
    config::{bgl_ssl_config_t, change},
    convert,
    status::bgl_ssl_status_t,
};

/// Adds a TLSA record of the server (DANE): its certificate, or that of a CA of its chain, or the key of one of these,
/// must match one of the records. Records with the usages 2 and 3 stand for trust in CAs, those with 0 and 1 are
/// demanded beside it; where there are none of the latter, neither the config's CAs nor the system's count.
///
/// The records of a DNS name may only be used if DNSSEC has proved them. They are about one server: a program that
/// connects to several has a config for each (bgl_ssl_config_copy). Everything else that the config demands counts,
/// too. Where a record with the usage 3 fits, times, revocation and stapled responses do not (RFC 7671, section 5.1),
/// unless the policy is BGL_SSL_STAPLE_REQUIRE.
///
/// record: "USAGE SELECTOR MATCHING HEX" as DNS tools print it, such as "3 1 1 D2ABDE24...", the digits in one word or
/// several; copied. NULL removes those that were added.
///
/// A server that no record fits is BGL_SSL_E_VERIFY (X509_V_ERR_DANE_NO_MATCH), in resumed handshakes as in full ones.
/// A config with records that verifies no chain is BGL_SSL_E_CONFIG when it is frozen, one that is used for a server
/// when a connection is made.
///
/// Returns BGL_SSL_OK; BGL_SSL_E_ARGUMENT, also for a record that OpenSSL cannot use; BGL_SSL_E_STATE if the config is
/// frozen; BGL_SSL_E_NO_MEMORY. Never blocks; any thread. See SSL_dane_tlsa_add(3).
///
/// Precondition: config is NULL or live; record is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_add_tlsa(
    config: *mut bgl_ssl_config_t,
    record: *const c_char,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers handle and text.
    unsafe {
        change(config, |config| {
            match convert::optional_text(record, "TLSA record")? {
                Some(text) => config.requirements.tlsa.push(tlsa::parse(text)?),
                None => config.requirements.tlsa.clear(),
            }
            Ok(())
        })
    }
}

/// Sets whether a server whose own certificate or key a TLSA record names (usage 3) must also have a certificate for
/// the host connected to.
///
/// check: true (the default): otherwise anyone who can change the records of one name could make connections to it end
/// at another server of theirs, without that server's knowledge. false: as RFC 7671, section 5.1, has it, for SMTP and
/// the like, where certificates often have other names.
///
/// Returns BGL_SSL_OK, BGL_SSL_E_ARGUMENT, or BGL_SSL_E_STATE if the config is frozen. Never blocks; any thread.
///
/// Precondition: config is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bgl_ssl_config_set_tlsa_names(
    config: *mut bgl_ssl_config_t,
    check: bool,
) -> bgl_ssl_status_t {
    // SAFETY: the precondition covers the handle.
    unsafe {
        change(config, |config| {
            config.requirements.tlsa_names = check;
            Ok(())
        })
    }
}
