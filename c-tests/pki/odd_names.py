"""Makes certificates whose CommonNames the openssl command would refuse to make: too long, with a NUL inside, in
old character sets. Usage: odd_names.py good.der good.key root.key, in the directory to fill."""

import base64
import subprocess
import sys

COMMON_NAME = bytes.fromhex("0603550403")
UTF8, PRINTABLE, T61, BMP = 0x0C, 0x13, 0x14, 0x1E


def length_of(content):
    n = len(content)
    if n < 128:
        return bytes([n])
    digits = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


def element(tag, content):
    return bytes([tag]) + length_of(content) + content


def elements(der):
    """The (tag, content) pairs of a run of DER elements."""
    at = 0
    while at < len(der):
        tag, n, at = der[at], der[at + 1], at + 2
        if n >= 128:
            count = n & 0x7F
            n, at = int.from_bytes(der[at : at + count], "big"), at + count
        yield tag, der[at : at + n]
        at += n


def with_common_name(der, tag, value, instead_of=None):
    """The same DER with this value in place of every CommonName, or of those that are `instead_of`."""
    result = b""
    for outer, content in elements(der):
        if outer == 0x30 and content.startswith(COMMON_NAME):
            if instead_of is None or content.endswith(instead_of):
                content = COMMON_NAME + element(tag, value)
        elif outer & 0x20:
            content = with_common_name(content, tag, value, instead_of)
        result += element(outer, content)
    return result


def parts(der):
    """The certificate's three elements: what is signed, the algorithm, the signature."""
    ((_, certificate),) = elements(der)
    return [element(tag, content) for tag, content in elements(certificate)]


def without_extensions(tbs):
    """The same certificate without its extensions, so that only the CommonName can match a host."""
    ((tag, content),) = elements(tbs)
    return element(tag, b"".join(element(t, c) for t, c in elements(content) if t != 0xA3))


def signed(tbs, algorithm, key):
    run = ["openssl", "dgst", "-sha256", "-sign", key]
    signature = subprocess.run(run, input=tbs, stdout=subprocess.PIPE, check=True).stdout
    return element(0x30, tbs + algorithm + element(0x03, b"\0" + signature))


def pem(der):
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def write(name, *ders):
    with open(f"{name}.pem", "w") as file:
        file.writelines(pem(der) for der in ders)


def main(certificate, key, ca_key):
    with open(certificate, "rb") as file:
        der = file.read()
    tbs, algorithm, _ = parts(der)
    odd = {
        "cn-long": (UTF8, b"".join(b"%04d." % i for i in range(200))),
        "cn-nul": (UTF8, b"left\0right"),
        "cn-utf8": (UTF8, "grüße".encode()),
        "cn-t61": (T61, "grüße".encode("latin-1")),
        "cn-bmp": (BMP, "grüße ☃".encode("utf-16-be")),
        "cn-empty": (PRINTABLE, b""),
    }
    for name, (tag, value) in odd.items():
        write(name, signed(with_common_name(tbs, tag, value), algorithm, key))
    bare = without_extensions(tbs)
    for name, value in {"cn-localhost": b"localhost", "nul-in-host-name": b"localhost\0.evil.example"}.items():
        write(name, signed(with_common_name(bare, UTF8, value, instead_of=b"good"), algorithm, ca_key))
    write("bundle", *(with_common_name(der, UTF8, b"bundle %03d" % i) for i in range(300)))


main(*sys.argv[1:])
