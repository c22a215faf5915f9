//! What the openssl-sys crate does not declare.

use openssl_sys::{
    ASN1_OBJECT, ASN1_STRING, ASN1_TIME, BIO, BIO_METHOD, EVP_MD, EVP_PKEY, GENERAL_NAME, PKCS12, SSL, SSL_CTX,
    SSL_SESSION, X509, X509_ALGOR, X509_CRL, X509_NAME, X509_STORE, X509_STORE_CTX, stack_st_X509,
};
use std::ffi::{c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void};

pub const ERR_LIB_SSL: c_int = 20;
pub const ERR_LIB_EVP: c_int = 6;
pub const ERR_LIB_OSSL_DECODER: c_int = 60;
pub const ERR_LIB_RAND: c_int = 36;
/// Reasons that all libraries of OpenSSL share; those about providers are of OpenSSL 3.
pub const ERR_R_UNSUPPORTED: c_int = (2 << 18) | 268;
pub const ERR_R_FETCH_FAILED: c_int = (2 << 18) | 269;
#[cfg(ossl300)]
pub const ERR_R_MALLOC_FAILURE: c_int = (3 << 18) | 256;
#[cfg(not(ossl300))]
pub const ERR_R_MALLOC_FAILURE: c_int = 64 | 1;
pub const OPENSSL_INIT_NO_ATEXIT: u64 = 0x0008_0000;
pub const SSL_AD_REASON_OFFSET: c_int = 1000;
pub const SSL_R_UNEXPECTED_EOF_WHILE_READING: c_int = 294;
pub const SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: c_int = 199;
pub const SSL_R_NO_SHARED_CIPHER: c_int = 193;
pub const SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: c_int = 118;
pub const SSL_R_READ_TIMEOUT_EXPIRED: c_int = 312;
pub const SSL_R_LIBRARY_HAS_NO_CIPHERS: c_int = 161;
pub const SSL_R_NO_CIPHERS_AVAILABLE: c_int = 181;
pub const SSL_R_NO_PROTOCOLS_AVAILABLE: c_int = 191;
pub const SSL_R_UNSUPPORTED_PROTOCOL: c_int = 258;
pub const SSL_R_WRONG_SSL_VERSION: c_int = 266;
pub const SSL_R_VERSION_TOO_LOW: c_int = 396;
pub const SSL_R_VERSION_TOO_HIGH: c_int = 166;
pub const SSL_R_NO_SUITABLE_KEY_SHARE: c_int = 101;
pub const SSL_R_NO_SHARED_GROUPS: c_int = 410;
pub const SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: c_int = 376;
pub const SSL_R_WRONG_SIGNATURE_TYPE: c_int = 370;
pub const SSL_R_NO_APPLICATION_PROTOCOL: c_int = 235;
pub const SSL_OP_NO_TICKET: Options = 1 << 14;
pub const SSL_OP_NO_RENEGOTIATION: u64 = 1 << 30;
pub const SSL_OP_CIPHER_SERVER_PREFERENCE: u64 = 1 << 22;
pub const SSL_MODE_RELEASE_BUFFERS: c_long = 0x10;
pub const X509_V_FLAG_PARTIAL_CHAIN: c_ulong = 0x80000;
pub const X509_V_FLAG_X509_STRICT: c_ulong = 0x20;
pub const X509_V_FLAG_CRL_CHECK: c_ulong = 0x4;
pub const X509_V_FLAG_CRL_CHECK_ALL: c_ulong = 0x8;
pub const X509_V_ERR_HOSTNAME_MISMATCH: c_int = 62;
pub const X509_V_ERR_IP_ADDRESS_MISMATCH: c_int = 64;
pub const X509_V_ERR_UNABLE_TO_GET_CRL: c_int = 3;
pub const X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER: c_int = 33;
pub const X509_V_ERR_KEYUSAGE_NO_CRL_SIGN: c_int = 35;
pub const X509_V_ERR_CRL_SIGNATURE_FAILURE: c_int = 8;
pub const X509_V_ERR_CRL_HAS_EXPIRED: c_int = 12;
pub const X509_V_ERR_CERT_REVOKED: c_int = 23;
pub const X509_V_ERR_OCSP_VERIFY_NEEDED: c_int = 73;
pub const NID_TLSFEATURE: c_int = 1020;
pub const NID_CT_PRECERT_SCTS: c_int = 951;
pub const X509_V_ERR_CERT_REJECTED: c_int = 28;
pub const X509_TRUST_SSL_CLIENT: c_int = 2;
pub const X509_TRUST_SSL_SERVER: c_int = 3;
pub const X509_TRUST_REJECTED: c_int = 2;
pub const X509_V_ERR_APPLICATION_VERIFICATION: c_int = 50;
pub const X509_V_ERR_OUT_OF_MEM: c_int = 17;
pub const X509_V_ERR_UNSPECIFIED: c_int = 1;
pub const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: c_int = 2;
pub const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: c_int = 20;
pub const X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: c_int = 21;
pub const X509_V_ERR_CERT_NOT_YET_VALID: c_int = 9;
pub const X509_V_ERR_CERT_HAS_EXPIRED: c_int = 10;
pub const X509_L_ADD_DIR: c_int = 2;
pub const X509_FILETYPE_PEM: c_long = 1;
#[cfg(ossl300)]
pub const SSL_CTRL_GET_NEGOTIATED_GROUP: c_int = 134;
pub const SSL_CTRL_GET_SIGNATURE_NID: c_int = 132;
pub const SSL_CTRL_GET_PEER_SIGNATURE_NID: c_int = 108;
pub const SSL_CTRL_SET_VERIFY_CERT_STORE: c_int = 106;
pub const BIO_TYPE_DESCRIPTOR_SOURCE_SINK: c_int = 0x0100 | 0x0400;
pub const BIO_CTRL_WPENDING: c_int = 13;
pub const BIO_CTRL_DUP: c_int = 12;
pub const BIO_CTRL_DGRAM_GET_FALLBACK_MTU: c_int = 47;
pub const BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: c_int = 49;
pub const SSL_OP_NO_QUERY_MTU: Options = 1 << 12;
pub const SSL_OP_NO_ENCRYPT_THEN_MAC: Options = 1 << 19;
pub const SSL_CTRL_SET_MAX_SEND_FRAGMENT: c_int = 52;
pub const SSL_CTRL_SET_MSG_CALLBACK_ARG: c_int = 16;
pub const SSL3_RT_CHANGE_CIPHER_SPEC: c_int = 20;
pub const SSL3_RT_ALERT: c_int = 21;
pub const SSL3_RT_HANDSHAKE: c_int = 22;
pub const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;
pub const SSL_CTRL_SET_MTU: c_int = 17;
pub const DTLS_CTRL_GET_TIMEOUT: c_int = 73;
pub const DTLS_CTRL_HANDLE_TIMEOUT: c_int = 74;
pub const SSL_OP_NO_COMPRESSION: u64 = 1 << 17;
pub const SSL_CTRL_SET_TLSEXT_SERVERNAME_CB: c_int = 53;
#[cfg(not(ossl300))]
pub const SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB: c_int = 72;
pub const SSL_CTRL_MODE: c_int = 33;
pub const SSL_CTRL_CLEAR_MODE: c_int = 78;
pub const SSL_CTRL_CHAIN: c_int = 88;
pub const SSL_CTRL_CHAIN_CERT: c_int = 89;
pub const SSL_CTRL_SET_GROUPS_LIST: c_int = 92;
pub const SSL_CTRL_SET_MIN_PROTO_VERSION: c_int = 123;
pub const SSL_CTRL_SET_MAX_PROTO_VERSION: c_int = 124;
pub const SSL_CTRL_GET_MIN_PROTO_VERSION: c_int = 130;
pub const SSL_CTRL_GET_MAX_PROTO_VERSION: c_int = 131;
pub const SSL_TICKET_SUCCESS: c_int = 5;
pub const SSL_TICKET_SUCCESS_RENEW: c_int = 6;
pub const SSL_TICKET_RETURN_ABORT: c_int = 0;
pub const SSL_TICKET_RETURN_IGNORE_RENEW: c_int = 2;
pub const SSL_TICKET_RETURN_USE: c_int = 3;
pub const SSL_TICKET_RETURN_USE_RENEW: c_int = 4;
pub const TLSEXT_NAMETYPE_HOST_NAME: c_int = 0;
pub const TLSEXT_TYPE_SERVER_NAME: c_uint = 0;
pub const TLSEXT_TYPE_PSK: c_uint = 41;
pub const SSL_AD_ILLEGAL_PARAMETER: c_int = 47;
pub const SSL_AD_UNRECOGNIZED_NAME: c_int = 112;
pub const SSL_CB_HANDSHAKE_START: c_int = 0x10;
pub const SSL_CB_HANDSHAKE_DONE: c_int = 0x20;
pub const SSL_SESS_CACHE_NO_AUTO_CLEAR: c_long = 0x80;
pub const NID_RSASSA_PSS: c_int = 912;
pub const OBJ_NAME_TYPE_MD_METH: c_int = 1;
pub const OBJ_NAME_TYPE_CIPHER_METH: c_int = 2;
pub const XN_FLAG_SEP_MULTILINE: c_ulong = 4 << 16;
pub const ASN1_STRFLGS_ESC_CTRL: c_ulong = 2;
pub const XN_FLAG_RFC2253: c_ulong = 0x0111_0317;
pub const ASN1_STRFLGS_ESC_MSB: c_ulong = 4;
pub const SSL3_VERSION: c_int = 0x300;
pub const TLS1_VERSION: c_int = 0x301;
pub const TLS1_1_VERSION: c_int = 0x302;
pub const TLS1_2_VERSION: c_int = 0x303;
pub const TLS1_3_VERSION: c_int = 0x304;
pub const DTLS1_VERSION: c_int = 0xfeff;
pub const DTLS1_2_VERSION: c_int = 0xfefd;

/// What OpenSSL asks for a passphrase.
pub type PassphraseCallback = unsafe extern "C" fn(*mut c_char, c_int, c_int, *mut c_void) -> c_int;

pub type CertVerifyCallback = unsafe extern "C" fn(*mut X509_STORE_CTX, *mut c_void) -> c_int;
pub type CookieCallback = unsafe extern "C" fn(*mut SSL, *const c_uchar, c_uint) -> c_int;
pub type TimerCallback = unsafe extern "C" fn(*mut SSL, c_uint) -> c_uint;
pub type TicketGenerationCallback = unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int;
pub type TicketCallback =
    unsafe extern "C" fn(*mut SSL, *mut SSL_SESSION, *const c_uchar, usize, c_int, *mut c_void) -> c_int;
/// How OpenSSL reports its messages: whether it has written it, version, kind, the bytes and their number.
pub type MessageCallback = unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);
pub type AlpnCallback =
    unsafe extern "C" fn(*mut SSL, *mut *const c_uchar, *mut c_uchar, *const c_uchar, c_uint, *mut c_void) -> c_int;

#[cfg(npn)]
pub type NpnSelectCallback =
    unsafe extern "C" fn(*mut SSL, *mut *mut c_uchar, *mut c_uchar, *const c_uchar, c_uint, *mut c_void) -> c_int;

/// OpenSSL's OSSL_STORE_CTX.
#[repr(C)]
pub struct StoreCtx {
    _private: [u8; 0],
}

/// OpenSSL's OSSL_STORE_INFO.
#[repr(C)]
pub struct StoreInfo {
    _private: [u8; 0],
}

/// OpenSSL's UI_METHOD.
#[repr(C)]
pub struct UiMethod {
    _private: [u8; 0],
}

#[cfg(ossl300)]
pub const OSSL_STORE_INFO_PKEY: c_int = 4;
#[cfg(not(ossl300))]
pub const OSSL_STORE_INFO_PKEY: c_int = 3;
#[cfg(ossl300)]
pub const OSSL_STORE_INFO_CERT: c_int = 5;
#[cfg(not(ossl300))]
pub const OSSL_STORE_INFO_CERT: c_int = 4;

/// OpenSSL's BIO_ADDR.
#[repr(C)]
pub struct BioAddr {
    _private: [u8; 0],
}

/// OpenSSL's POLICYINFO.
#[repr(C)]
pub struct PolicyInfo {
    pub policy_id: *mut ASN1_OBJECT,
    pub qualifiers: *mut PolicyQualifiers,
}

/// OpenSSL's STACK_OF(POLICYQUALINFO).
#[repr(C)]
pub struct PolicyQualifiers {
    _private: [u8; 0],
}

/// OpenSSL's X509_PUBKEY.
#[repr(C)]
pub struct X509Pubkey {
    _private: [u8; 0],
}

/// What authenticates a ticket.
#[cfg(ossl300)]
pub type TicketMac = openssl_sys::EVP_MAC_CTX;
/// What authenticates a ticket.
#[cfg(not(ossl300))]
pub type TicketMac = openssl_sys::HMAC_CTX;

pub type TicketKeyCallback = unsafe extern "C" fn(
    *mut SSL,
    *mut c_uchar,
    *mut c_uchar,
    *mut openssl_sys::EVP_CIPHER_CTX,
    *mut TicketMac,
    c_int,
) -> c_int;

/// What options are made of.
#[cfg(ossl300)]
pub type Options = u64;
/// What options are made of.
#[cfg(not(ossl300))]
pub type Options = c_ulong;

/// The part of OBJ_NAME that its iteration hands out.
#[repr(C)]
pub struct ObjName {
    pub kind: c_int,
    pub alias: c_int,
    pub name: *const c_char,
    pub data: *const c_char,
}

unsafe extern "C" {
    pub fn OPENSSL_init_crypto(options: u64, settings: *const openssl_sys::OPENSSL_INIT_SETTINGS) -> c_int;
    #[cfg(ossl300)]
    pub fn OSSL_LIB_CTX_get0_global_default() -> *mut c_void;
    pub fn SSL_set_verify_result(ssl: *mut SSL, result: c_long);
    pub fn OPENSSL_cleanse(secret: *mut c_void, len: usize);
    pub fn UI_UTIL_wrap_read_pem_callback(cb: Option<PassphraseCallback>, writing: c_int) -> *mut UiMethod;
    pub fn UI_destroy_method(method: *mut UiMethod);
    pub fn OSSL_STORE_open(
        uri: *const c_char,
        method: *const UiMethod,
        user: *mut c_void,
        process: *const c_void,
        process_data: *mut c_void,
    ) -> *mut StoreCtx;
    pub fn OSSL_STORE_load(store: *mut StoreCtx) -> *mut StoreInfo;
    pub fn OSSL_STORE_eof(store: *mut StoreCtx) -> c_int;
    pub fn OSSL_STORE_error(store: *mut StoreCtx) -> c_int;
    pub fn OSSL_STORE_close(store: *mut StoreCtx) -> c_int;
    pub fn OSSL_STORE_INFO_get_type(object: *const StoreInfo) -> c_int;
    pub fn OSSL_STORE_INFO_get1_PKEY(object: *const StoreInfo) -> *mut EVP_PKEY;
    pub fn OSSL_STORE_INFO_get1_CERT(object: *const StoreInfo) -> *mut X509;
    pub fn OSSL_STORE_INFO_free(object: *mut StoreInfo);
    #[cfg(ossl300)]
    pub fn OSSL_STORE_LOADER_fetch(
        context: *mut openssl_sys::OSSL_LIB_CTX,
        scheme: *const c_char,
        properties: *const c_char,
    ) -> *mut c_void;
    #[cfg(ossl300)]
    pub fn OSSL_STORE_LOADER_free(loader: *mut c_void);
    #[cfg(ossl300)]
    pub fn OSSL_PROVIDER_available(context: *mut openssl_sys::OSSL_LIB_CTX, name: *const c_char) -> c_int;
    pub fn BIO_ADDR_new() -> *mut BioAddr;
    pub fn BIO_ADDR_free(address: *mut BioAddr);
    pub fn DTLS_get_data_mtu(ssl: *const SSL) -> usize;
    pub fn DTLS_set_timer_cb(ssl: *mut SSL, cb: Option<TimerCallback>);
    pub fn DTLSv1_listen(ssl: *mut SSL, client: *mut BioAddr) -> c_int;
    pub fn SSL_set_options(ssl: *mut SSL, options: Options) -> Options;
    pub fn SSL_clear_options(ssl: *mut SSL, options: Options) -> Options;
    pub fn SSL_CTX_set_cookie_verify_cb(ctx: *mut SSL_CTX, cb: Option<CookieCallback>);
    pub fn ASN1_STRING_length(s: *const ASN1_STRING) -> c_int;
    pub fn ASN1_TIME_to_tm(s: *const ASN1_TIME, tm: *mut libc::tm) -> c_int;
    pub fn BIO_meth_set_write(
        m: *mut BIO_METHOD,
        f: Option<unsafe extern "C" fn(*mut BIO, *const c_char, c_int) -> c_int>,
    ) -> c_int;
    pub fn BIO_meth_set_read(
        m: *mut BIO_METHOD,
        f: Option<unsafe extern "C" fn(*mut BIO, *mut c_char, c_int) -> c_int>,
    ) -> c_int;
    pub fn BIO_meth_set_ctrl(
        m: *mut BIO_METHOD,
        f: Option<unsafe extern "C" fn(*mut BIO, c_int, c_long, *mut c_void) -> c_long>,
    ) -> c_int;
    pub fn BIO_meth_set_destroy(m: *mut BIO_METHOD, f: Option<unsafe extern "C" fn(*mut BIO) -> c_int>) -> c_int;
    pub fn BIO_get_new_index() -> c_int;
    pub fn X509_get_X509_PUBKEY(x509: *const X509) -> *mut X509Pubkey;
    pub fn X509_PUBKEY_get0_param(
        algorithm: *mut *mut ASN1_OBJECT,
        key: *mut *const c_uchar,
        key_len: *mut c_int,
        parameters: *mut *mut X509_ALGOR,
        public: *mut X509Pubkey,
    ) -> c_int;
    pub fn CERTIFICATEPOLICIES_free(policies: *mut c_void);
    pub fn X509_check_ca(x509: *mut X509) -> c_int;
    pub fn OBJ_nid2ln(nid: c_int) -> *const c_char;
    pub fn i2d_X509_PUBKEY(key: *const X509Pubkey, out: *mut *mut c_uchar) -> c_int;
    pub fn X509_get_signature_info(
        x509: *mut X509,
        digest: *mut c_int,
        key: *mut c_int,
        security_bits: *mut c_int,
        flags: *mut u32,
    ) -> c_int;
    pub fn EVP_get_digestbyname(name: *const c_char) -> *const EVP_MD;
    pub fn HMAC(
        md: *const EVP_MD,
        key: *const c_void,
        key_len: c_int,
        data: *const c_uchar,
        data_len: usize,
        mac: *mut c_uchar,
        mac_len: *mut c_uint,
    ) -> *mut c_uchar;
    pub fn OBJ_NAME_do_all_sorted(
        kind: c_int,
        callback: unsafe extern "C" fn(*const ObjName, *mut c_void),
        arg: *mut c_void,
    );
    pub fn PKCS12_free(p12: *mut PKCS12);
    pub fn d2i_PKCS12(a: *mut *mut PKCS12, pp: *mut *const c_uchar, length: c_long) -> *mut PKCS12;
    pub fn RAND_status() -> c_int;
    pub fn RAND_poll() -> c_int;
    pub fn GENERAL_NAME_get0_value(name: *const GENERAL_NAME, kind: *mut c_int) -> *mut c_void;
    pub fn SSL_CTX_set_alpn_select_cb(ctx: *mut SSL_CTX, cb: Option<AlpnCallback>, arg: *mut c_void);
    pub fn SSL_CTX_callback_ctrl(
        ctx: *mut SSL_CTX,
        command: c_int,
        callback: Option<unsafe extern "C" fn()>,
    ) -> c_long;
    pub fn OPENSSL_cipher_name(standard_name: *const c_char) -> *const c_char;
    pub fn SSL_CTX_get_ciphers(ctx: *const SSL_CTX) -> *const c_void;
    pub fn d2i_PKCS8PrivateKey_bio(
        bio: *mut BIO,
        key: *mut *mut EVP_PKEY,
        callback: Option<unsafe extern "C" fn(*mut c_char, c_int, c_int, *mut c_void) -> c_int>,
        user: *mut c_void,
    ) -> *mut EVP_PKEY;
    pub fn SSL_CTX_set_cert_verify_callback(ctx: *mut SSL_CTX, cb: Option<CertVerifyCallback>, arg: *mut c_void);
    pub fn SSL_set_session_id_context(ssl: *mut SSL, id: *const c_uchar, len: c_uint) -> c_int;
    pub fn SSL_set_info_callback(ssl: *mut SSL, cb: Option<unsafe extern "C" fn(*const SSL, c_int, c_int)>);
    pub fn SSL_CTX_set_tlsext_max_fragment_length(ctx: *mut SSL_CTX, mode: u8) -> c_int;
    pub fn SSL_CTX_set_block_padding(ctx: *mut SSL_CTX, block: usize) -> c_int;
    pub fn SSL_set_msg_callback(ssl: *mut SSL, cb: Option<MessageCallback>);
    pub fn SSL_is_dtls(ssl: *const SSL) -> c_int;
    pub fn SSL_CIPHER_find(ssl: *mut SSL, number: *const c_uchar) -> *const openssl_sys::SSL_CIPHER;
    pub fn X509_STORE_add_crl(store: *mut X509_STORE, crl: *mut X509_CRL) -> c_int;
    pub fn SSL_get_ex_data_X509_STORE_CTX_idx() -> c_int;
    pub fn SSL_in_before(ssl: *const SSL) -> c_int;
    pub fn SSL_get1_session(ssl: *mut SSL) -> *mut SSL_SESSION;
    pub fn SSL_free_buffers(ssl: *mut SSL) -> c_int;
    pub fn SSL_has_pending(ssl: *const SSL) -> c_int;
    pub fn SSL_peek_ex(ssl: *mut SSL, buf: *mut c_void, num: usize, read: *mut usize) -> c_int;
    pub fn SSL_read_ex(ssl: *mut SSL, buf: *mut c_void, num: usize, read: *mut usize) -> c_int;
    pub fn SSL_write_ex(ssl: *mut SSL, buf: *const c_void, num: usize, written: *mut usize) -> c_int;
    pub fn SSL_SESSION_is_resumable(session: *const SSL_SESSION) -> c_int;
    pub fn SSL_SESSION_dup(session: *const SSL_SESSION) -> *mut SSL_SESSION;
    pub fn SSL_SESSION_get_protocol_version(session: *const SSL_SESSION) -> c_int;
    pub fn SSL_SESSION_get_ticket_lifetime_hint(session: *const SSL_SESSION) -> c_ulong;
    pub fn SSL_set_bio(ssl: *mut SSL, rbio: *mut BIO, wbio: *mut BIO);
    pub fn SSL_is_init_finished(ssl: *const SSL) -> c_int;
    pub fn PEM_read_bio_X509_AUX(
        bio: *mut BIO,
        x: *mut *mut X509,
        callback: Option<PassphraseCallback>,
        user: *mut c_void,
    ) -> *mut X509;
    pub fn X509_NAME_print_ex(out: *mut BIO, name: *const X509_NAME, indent: c_int, flags: c_ulong) -> c_int;
    pub fn X509_STORE_CTX_get0_untrusted(ctx: *mut X509_STORE_CTX) -> *const stack_st_X509;
    pub fn X509_STORE_up_ref(store: *mut X509_STORE) -> c_int;
    pub fn X509_STORE_CTX_set_default(ctx: *mut X509_STORE_CTX, name: *const c_char) -> c_int;
    pub fn X509_STORE_CTX_get0_param(ctx: *const X509_STORE_CTX) -> *mut openssl_sys::X509_VERIFY_PARAM;
    pub fn X509_VERIFY_PARAM_set_auth_level(param: *mut openssl_sys::X509_VERIFY_PARAM, level: c_int);
    pub fn X509_STORE_CTX_set_ex_data(ctx: *mut X509_STORE_CTX, index: c_int, data: *mut c_void) -> c_int;
    pub fn X509_get0_reject_objects(x: *mut X509) -> *mut c_void;
    pub fn X509_add1_reject_object(x: *mut X509, purpose: *const ASN1_OBJECT) -> c_int;
    pub fn X509_check_trust(x: *mut X509, id: c_int, flags: c_int) -> c_int;
    pub fn X509_check_purpose(x: *mut X509, id: c_int, ca: c_int) -> c_int;
    pub fn SSL_get_session(ssl: *const SSL) -> *mut SSL_SESSION;
    pub fn SSL_get_security_level(ssl: *const SSL) -> c_int;
    pub fn SSL_CTX_dane_enable(ctx: *mut SSL_CTX) -> c_int;
    pub fn SSL_dane_enable(ssl: *mut SSL, base_domain: *const c_char) -> c_int;
    pub fn SSL_dane_tlsa_add(
        ssl: *mut SSL,
        usage: u8,
        selector: u8,
        matching: u8,
        data: *const c_uchar,
        len: usize,
    ) -> c_int;
    pub fn SSL_get0_dane(ssl: *mut SSL) -> *mut c_void;
    pub fn SSL_get0_dane_tlsa(
        ssl: *mut SSL,
        usage: *mut u8,
        selector: *mut u8,
        matching: *mut u8,
        data: *mut *const c_uchar,
        len: *mut usize,
    ) -> c_int;
    pub fn X509_STORE_CTX_set0_dane(ctx: *mut X509_STORE_CTX, dane: *mut c_void);
    pub fn SSL_CTX_get_security_level(ctx: *const SSL_CTX) -> c_int;
    pub fn SSL_SESSION_get0_id_context(session: *const SSL_SESSION, len: *mut c_uint) -> *const c_uchar;
    pub fn SSL_SESSION_set1_id_context(session: *mut SSL_SESSION, id: *const c_uchar, len: c_uint) -> c_int;
    pub fn SSL_SESSION_set1_ticket_appdata(session: *mut SSL_SESSION, data: *const c_void, len: usize) -> c_int;
    pub fn SSL_SESSION_get0_ticket_appdata(
        session: *mut SSL_SESSION,
        data: *mut *mut c_void,
        len: *mut usize,
    ) -> c_int;
    pub fn SSL_SESSION_set_timeout(session: *mut SSL_SESSION, seconds: c_long) -> c_long;
    pub fn SSL_SESSION_get0_peer(session: *mut SSL_SESSION) -> *mut X509;
    pub fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut SSL_CTX,
        generate: Option<TicketGenerationCallback>,
        decrypt: Option<TicketCallback>,
        arg: *mut c_void,
    ) -> c_int;
    pub fn X509_STORE_CTX_set_verify_cb(
        ctx: *mut X509_STORE_CTX,
        cb: Option<unsafe extern "C" fn(c_int, *mut X509_STORE_CTX) -> c_int>,
    );
    pub fn d2i_X509_AUX(x509: *mut *mut X509, data: *mut *const c_uchar, len: c_long) -> *mut X509;
    pub fn i2d_X509_AUX(x: *mut X509, out: *mut *mut c_uchar) -> c_int;
    pub fn X509_STORE_CTX_get0_cert(ctx: *mut X509_STORE_CTX) -> *mut X509;
    pub fn X509_check_private_key(cert: *const X509, key: *const EVP_PKEY) -> c_int;
    pub fn X509_get_default_cert_dir() -> *const c_char;
    pub fn X509_get_default_cert_file() -> *const c_char;
    pub fn X509_verify_cert(ctx: *mut X509_STORE_CTX) -> c_int;
    pub fn X509_get0_notBefore(cert: *const X509) -> *const ASN1_TIME;
    pub fn X509_get0_notAfter(cert: *const X509) -> *const ASN1_TIME;
    pub fn X509_digest(cert: *const X509, md: *const EVP_MD, out: *mut c_uchar, len: *mut c_uint) -> c_int;
    pub fn OPENSSL_sk_num(stack: *const c_void) -> c_int;
    pub fn OPENSSL_sk_value(stack: *const c_void, i: c_int) -> *mut c_void;
    pub fn OPENSSL_sk_free(stack: *mut c_void);
    pub fn OPENSSL_sk_new_null() -> *mut c_void;
    pub fn OPENSSL_sk_push(stack: *mut c_void, element: *const c_void) -> c_int;
    #[cfg(ossl300)]
    pub fn SSL_group_to_name(ssl: *mut SSL, id: c_int) -> *const c_char;
    pub fn SSL_get_signature_type_nid(ssl: *const SSL, nid: *mut c_int) -> c_int;
    pub fn SSL_get_peer_signature_type_nid(ssl: *const SSL, nid: *mut c_int) -> c_int;
    pub fn X509_CRL_up_ref(crl: *mut X509_CRL) -> c_int;
    pub fn d2i_X509_CRL(crl: *mut *mut X509_CRL, der: *mut *const c_uchar, len: c_long) -> *mut X509_CRL;
    pub fn X509_STORE_CTX_set0_crls(ctx: *mut X509_STORE_CTX, crls: *mut c_void);
    pub fn X509_email_free(texts: *mut c_void);
    pub fn X509_STORE_get0_param(store: *const X509_STORE) -> *mut openssl_sys::X509_VERIFY_PARAM;
    pub fn OPENSSL_sk_pop(stack: *mut c_void) -> *mut c_void;
}

#[cfg(ossl300)]
unsafe extern "C" {
    pub fn EVP_PKEY_get0_type_name(key: *const EVP_PKEY) -> *const c_char;
    pub fn SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx: *mut SSL_CTX, cb: Option<TicketKeyCallback>) -> c_int;
    pub fn OSSL_PARAM_construct_utf8_string(
        key: *const c_char,
        text: *mut c_char,
        size: usize,
    ) -> openssl_sys::OSSL_PARAM;
}

#[cfg(not(ossl300))]
unsafe extern "C" {
    pub fn EVP_PKEY_get0_RSA(key: *const EVP_PKEY) -> *const openssl_sys::RSA;
}

// Next protocol negotiation, the draft that ALPN replaced: TLS 1.2 and before, where OpenSSL was built with it.
#[cfg(npn)]
unsafe extern "C" {
    pub fn SSL_CTX_set_next_protos_advertised_cb(
        ctx: *mut SSL_CTX,
        cb: Option<unsafe extern "C" fn(*mut SSL, *mut *const c_uchar, *mut c_uint, *mut c_void) -> c_int>,
        arg: *mut c_void,
    );
    pub fn SSL_CTX_set_next_proto_select_cb(ctx: *mut SSL_CTX, cb: Option<NpnSelectCallback>, arg: *mut c_void);
    pub fn SSL_get0_next_proto_negotiated(ssl: *const SSL, data: *mut *const c_uchar, len: *mut c_uint);
}
