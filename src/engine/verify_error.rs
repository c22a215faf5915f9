//! The names of OpenSSL's verification results.

use std::ffi::{CStr, c_int};

/// The constant `X509_V_ERR_...` for a result, without that prefix; None for X509_V_OK.
pub fn name(code: c_int) -> Option<&'static CStr> {
    match code {
        0 => None,
        1 => Some(c"UNSPECIFIED"),
        2 => Some(c"UNABLE_TO_GET_ISSUER_CERT"),
        3 => Some(c"UNABLE_TO_GET_CRL"),
        4 => Some(c"UNABLE_TO_DECRYPT_CERT_SIGNATURE"),
        5 => Some(c"UNABLE_TO_DECRYPT_CRL_SIGNATURE"),
        6 => Some(c"UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY"),
        7 => Some(c"CERT_SIGNATURE_FAILURE"),
        8 => Some(c"CRL_SIGNATURE_FAILURE"),
        9 => Some(c"CERT_NOT_YET_VALID"),
        10 => Some(c"CERT_HAS_EXPIRED"),
        11 => Some(c"CRL_NOT_YET_VALID"),
        12 => Some(c"CRL_HAS_EXPIRED"),
        13 => Some(c"ERROR_IN_CERT_NOT_BEFORE_FIELD"),
        14 => Some(c"ERROR_IN_CERT_NOT_AFTER_FIELD"),
        15 => Some(c"ERROR_IN_CRL_LAST_UPDATE_FIELD"),
        16 => Some(c"ERROR_IN_CRL_NEXT_UPDATE_FIELD"),
        17 => Some(c"OUT_OF_MEM"),
        18 => Some(c"DEPTH_ZERO_SELF_SIGNED_CERT"),
        19 => Some(c"SELF_SIGNED_CERT_IN_CHAIN"),
        20 => Some(c"UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
        21 => Some(c"UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        22 => Some(c"CERT_CHAIN_TOO_LONG"),
        23 => Some(c"CERT_REVOKED"),
        25 => Some(c"PATH_LENGTH_EXCEEDED"),
        26 => Some(c"INVALID_PURPOSE"),
        27 => Some(c"CERT_UNTRUSTED"),
        28 => Some(c"CERT_REJECTED"),
        29 => Some(c"SUBJECT_ISSUER_MISMATCH"),
        30 => Some(c"AKID_SKID_MISMATCH"),
        31 => Some(c"AKID_ISSUER_SERIAL_MISMATCH"),
        32 => Some(c"KEYUSAGE_NO_CERTSIGN"),
        33 => Some(c"UNABLE_TO_GET_CRL_ISSUER"),
        34 => Some(c"UNHANDLED_CRITICAL_EXTENSION"),
        35 => Some(c"KEYUSAGE_NO_CRL_SIGN"),
        36 => Some(c"UNHANDLED_CRITICAL_CRL_EXTENSION"),
        37 => Some(c"INVALID_NON_CA"),
        38 => Some(c"PROXY_PATH_LENGTH_EXCEEDED"),
        39 => Some(c"KEYUSAGE_NO_DIGITAL_SIGNATURE"),
        40 => Some(c"PROXY_CERTIFICATES_NOT_ALLOWED"),
        41 => Some(c"INVALID_EXTENSION"),
        42 => Some(c"INVALID_POLICY_EXTENSION"),
        43 => Some(c"NO_EXPLICIT_POLICY"),
        44 => Some(c"DIFFERENT_CRL_SCOPE"),
        45 => Some(c"UNSUPPORTED_EXTENSION_FEATURE"),
        46 => Some(c"UNNESTED_RESOURCE"),
        47 => Some(c"PERMITTED_VIOLATION"),
        48 => Some(c"EXCLUDED_VIOLATION"),
        49 => Some(c"SUBTREE_MINMAX"),
        50 => Some(c"APPLICATION_VERIFICATION"),
        51 => Some(c"UNSUPPORTED_CONSTRAINT_TYPE"),
        52 => Some(c"UNSUPPORTED_CONSTRAINT_SYNTAX"),
        53 => Some(c"UNSUPPORTED_NAME_SYNTAX"),
        54 => Some(c"CRL_PATH_VALIDATION_ERROR"),
        55 => Some(c"PATH_LOOP"),
        56 => Some(c"SUITE_B_INVALID_VERSION"),
        57 => Some(c"SUITE_B_INVALID_ALGORITHM"),
        58 => Some(c"SUITE_B_INVALID_CURVE"),
        59 => Some(c"SUITE_B_INVALID_SIGNATURE_ALGORITHM"),
        60 => Some(c"SUITE_B_LOS_NOT_ALLOWED"),
        61 => Some(c"SUITE_B_CANNOT_SIGN_P_384_WITH_P_256"),
        62 => Some(c"HOSTNAME_MISMATCH"),
        63 => Some(c"EMAIL_MISMATCH"),
        64 => Some(c"IP_ADDRESS_MISMATCH"),
        65 => Some(c"DANE_NO_MATCH"),
        66 => Some(c"EE_KEY_TOO_SMALL"),
        67 => Some(c"CA_KEY_TOO_SMALL"),
        68 => Some(c"CA_MD_TOO_WEAK"),
        69 => Some(c"INVALID_CALL"),
        70 => Some(c"STORE_LOOKUP"),
        71 => Some(c"NO_VALID_SCTS"),
        72 => Some(c"PROXY_SUBJECT_NAME_VIOLATION"),
        73 => Some(c"OCSP_VERIFY_NEEDED"),
        74 => Some(c"OCSP_VERIFY_FAILED"),
        75 => Some(c"OCSP_CERT_UNKNOWN"),
        _ => Some(by_release(code).unwrap_or(c"UNSPECIFIED")),
    }
}

/// The codes that OpenSSL 3 renumbered, and later ones.
#[cfg(ossl300)]
fn by_release(code: c_int) -> Option<&'static CStr> {
    match code {
        24 => Some(c"NO_ISSUER_PUBLIC_KEY"),
        76 => Some(c"UNSUPPORTED_SIGNATURE_ALGORITHM"),
        77 => Some(c"SIGNATURE_ALGORITHM_MISMATCH"),
        78 => Some(c"SIGNATURE_ALGORITHM_INCONSISTENCY"),
        79 => Some(c"INVALID_CA"),
        80 => Some(c"PATHLEN_INVALID_FOR_NON_CA"),
        81 => Some(c"PATHLEN_WITHOUT_KU_KEY_CERT_SIGN"),
        82 => Some(c"KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA"),
        83 => Some(c"ISSUER_NAME_EMPTY"),
        84 => Some(c"SUBJECT_NAME_EMPTY"),
        85 => Some(c"MISSING_AUTHORITY_KEY_IDENTIFIER"),
        86 => Some(c"MISSING_SUBJECT_KEY_IDENTIFIER"),
        87 => Some(c"EMPTY_SUBJECT_ALT_NAME"),
        88 => Some(c"EMPTY_SUBJECT_SAN_NOT_CRITICAL"),
        89 => Some(c"CA_BCONS_NOT_CRITICAL"),
        90 => Some(c"AUTHORITY_KEY_IDENTIFIER_CRITICAL"),
        91 => Some(c"SUBJECT_KEY_IDENTIFIER_CRITICAL"),
        92 => Some(c"CA_CERT_MISSING_KEY_USAGE"),
        93 => Some(c"EXTENSIONS_REQUIRE_VERSION_3"),
        94 => Some(c"EC_KEY_EXPLICIT_PARAMS"),
        95 => Some(c"RPK_UNTRUSTED"),
        96 => Some(c"OCSP_RESP_INVALID"),
        97 => Some(c"OCSP_SIGNATURE_FAILURE"),
        98 => Some(c"OCSP_NOT_YET_VALID"),
        99 => Some(c"OCSP_HAS_EXPIRED"),
        100 => Some(c"OCSP_NO_RESPONSE"),
        101 => Some(c"CRL_VERIFY_FAILED"),
        102 => Some(c"EMPTY_AUTHORITY_KEY_IDENTIFIER"),
        103 => Some(c"AKID_ISSUER_SERIAL_NOT_PAIRED"),
        _ => None,
    }
}

/// The codes that OpenSSL 3 renumbered, as OpenSSL 1.1.1 has them.
#[cfg(not(ossl300))]
fn by_release(code: c_int) -> Option<&'static CStr> {
    match code {
        24 => Some(c"INVALID_CA"),
        76 => Some(c"SIGNATURE_ALGORITHM_MISMATCH"),
        77 => Some(c"NO_ISSUER_PUBLIC_KEY"),
        78 => Some(c"UNSUPPORTED_SIGNATURE_ALGORITHM"),
        79 => Some(c"EC_KEY_EXPLICIT_PARAMS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_constants() {
        assert_eq!(name(openssl_sys::X509_V_ERR_CERT_HAS_EXPIRED), Some(c"CERT_HAS_EXPIRED"));
    }

    #[test]
    fn the_codes_that_were_renumbered_have_the_name_of_this_openssl() {
        assert_eq!(name(openssl_sys::X509_V_ERR_INVALID_CA), Some(c"INVALID_CA"));
    }

    #[test]
    fn a_code_of_a_later_openssl_is_a_failure() {
        assert_eq!(name(4711), Some(c"UNSPECIFIED"));
    }
}
