//! The names of the numbers in hellos, as IANA's registries have them.

/// Groups for key agreement (RFC 8446, 4.2.7).
const GROUPS: [(u16, &str); 21] = [
    (21, "secp224r1"),
    (22, "secp256k1"),
    (23, "secp256r1"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (29, "x25519"),
    (30, "x448"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (512, "MLKEM512"),
    (513, "MLKEM768"),
    (514, "MLKEM1024"),
    (4587, "SecP256r1MLKEM768"),
    (4588, "X25519MLKEM768"),
    (4589, "SecP384r1MLKEM1024"),
];

/// Signature algorithms (RFC 8446, 4.2.3).
const SIGNATURE_ALGORITHMS: [(u16, &str); 26] = [
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0502, "dsa_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0602, "dsa_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

/// The name of a group.
pub fn group(number: u16) -> String {
    name_in(&GROUPS, number)
}

/// The name of a signature algorithm.
pub fn signature_algorithm(number: u16) -> String {
    name_in(&SIGNATURE_ALGORITHMS, number)
}

/// The name of a protocol version.
pub fn version(number: u16) -> String {
    let name = match number {
        0x0002 => "SSL 2",
        0x0300 => "SSL 3",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0xfeff => "DTLS 1.0",
        0xfefd => "DTLS 1.2",
        0xfefc => "DTLS 1.3",
        _ => return unnamed(number),
    };
    name.to_string()
}

/// What stands for a number without a name.
pub fn unnamed(number: u16) -> String {
    format!("{number:#06x}")
}

/// The name of an application protocol, as text.
pub fn protocol(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn name_in(names: &[(u16, &str)], number: u16) -> String {
    names.iter().find(|(known, _)| *known == number).map_or_else(|| unnamed(number), |(_, name)| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_registered_names() {
        assert_eq!(group(29), "x25519");
        assert_eq!(group(4588), "X25519MLKEM768");
        assert_eq!(signature_algorithm(0x0403), "ecdsa_secp256r1_sha256");
        assert_eq!(version(0x0304), "TLS 1.3");
    }

    #[test]
    fn a_number_without_a_name_is_told_as_such() {
        assert_eq!(group(0x1234), "0x1234");
        assert_eq!(signature_algorithm(1), "0x0001");
        assert_eq!(version(0x7f1c), "0x7f1c");
    }
}
