"""Makes python.enc and checks ours.enc, with the application's parameters. Needs the package `cryptography`."""

import base64
import hashlib
import pathlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).parent
PASSPHRASE = "correct-horse-battery-staple-2026"


def key(salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, 1_000_000, 32)


def encrypt(plain: bytes, salt: bytes, nonce: bytes) -> str:
    sealed = AESGCM(key(salt)).encrypt(nonce, plain, None)
    return "ENC:1:" + base64.b64encode(salt + nonce + sealed).decode()


def decrypt(text: str) -> bytes:
    body = base64.b64decode(text.removeprefix("ENC:1:"))
    return AESGCM(key(body[:16])).decrypt(body[16:28], body[28:], None)


(HERE / "python.enc").write_text(
    encrypt("{\"chain\": []} – written by Python".encode(), bytes(range(16)), bytes(range(12))) + "\n"
)
assert decrypt((HERE / "ours.enc").read_text().strip()) == "written by Rust – read by Python".encode()
