"""Certificates of a test's own, for ``permitted.example`` and 127.0.0.1: signed by themselves, or by one of these."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Certificate(NamedTuple):
    """Files in PEM: what a server is told, and what its clients may trust."""

    key: Path
    public: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.public, self.key)
        return context


def issue(directory: Path, name: str = "permitted.example", authority: Certificate | None = None) -> Certificate:
    """A new certificate, whose files are called after ``name``; signed by itself unless an authority is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    signing_key, issuer = key, name
    if authority is not None:
        signing_key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
        issuer = authority.public.stem
    names = [x509.DNSName("permitted.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=0 if authority is None else None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )
    files = Certificate(directory / f"{name}.key", directory / f"{name}.pem")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    files.public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return files


def with_pass_phrase(key: Path) -> Path:
    """A copy of a key, beside it, that nobody can read who does not know its pass phrase."""
    secret = serialization.load_pem_private_key(key.read_bytes(), None)
    path = key.with_suffix(".secret")
    encryption = serialization.BestAvailableEncryption(b"SENT")
    path.write_bytes(secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("certificate"))
