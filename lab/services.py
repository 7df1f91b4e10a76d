# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of the lab, and the Redfish service."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import secrets
import ssl
import sys
import urllib.error
import urllib.request

import bcrypt
import process
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypervisor import beside_libvirtd
from settings import (
    BMC_PORT,
    BMC_URL,
    BMC_USER,
    MACHINES,
    REDFISH_SECURE_BOOT,
    SECURE_VARIABLES,
    SERVICES,
    STATE,
)

TLS = STATE / "tls"

EMULATOR_CONF = """\
SUSHY_EMULATOR_LISTEN_IP = {address!r}
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_SSL_CERT = {certificate!r}
SUSHY_EMULATOR_SSL_KEY = {key!r}
SUSHY_EMULATOR_AUTH_FILE = {passwords!r}
SUSHY_EMULATOR_STATE_DIR = {state!r}
SUSHY_EMULATOR_LIBVIRT_URI = 'qemu:///system'
SUSHY_EMULATOR_BOOT_LOADER_MAP = {{
    'UEFI': {{'x86_64': {firmware!r}}},
    'Legacy': {{'x86_64': None}},
}}
SUSHY_EMULATOR_ALLOWED_INSTANCES = {systems!r}
SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM = {variables!r}
SUSHY_EMULATOR_SECURE_BOOT_ENABLED_NVRAM = {variables_secure!r}
"""


def ensure_secrets() -> bool:
    """Make the BMC's password and certificate and the key for logging in, once."""
    if (STATE / "ssh/id_ed25519").exists():
        return False
    # No IPMI BMC takes a longer one.
    password = secrets.token_urlsafe(12)
    _write_secret(STATE / "bmc-password", password.encode())
    # Cost 4 instead of 12: the emulator hashes the password again for every single request.
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    _write_secret(STATE / "bmc-htpasswd", f"{BMC_USER}:{hashed}\n".encode())
    _make_certificates()
    (STATE / "ssh").mkdir(mode=0o700, exist_ok=True)
    process.run(
        *("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "baremetal-lab"),
        *("-f", str(STATE / "ssh/id_ed25519")),
    )
    return True


def _write_secret(path: pathlib.Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _make_certificates() -> None:
    """Make a certificate authority for this lab and the BMC's certificate."""
    TLS.mkdir(exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("baremetal lab CA")
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(SERVICES))])
    certificate = (
        _certificate(_name(SERVICES), authority_name, key)
        .add_extension(alternatives, critical=False)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    (TLS / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (TLS / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write_secret(TLS / "server.key", private)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def ensure_emulator() -> bool:
    """Start the Redfish service if it does not run. Return if it changed."""
    if process.pid_of("emulator") is not None:
        return False
    configuration = STATE / "emulator.conf"
    configuration.write_text(
        EMULATOR_CONF.format(
            address=SERVICES,
            port=BMC_PORT,
            certificate=str(TLS / "server.pem"),
            key=str(TLS / "server.key"),
            passwords=str(STATE / "bmc-htpasswd"),
            state=str(STATE / "emulator"),
            firmware=REDFISH_SECURE_BOOT.firmware.code,
            variables=REDFISH_SECURE_BOOT.firmware.variables,
            variables_secure=SECURE_VARIABLES,
            systems=[machine.uuid for machine in MACHINES.values() if machine.kind.bmc == "redfish"],
        )
    )
    program = pathlib.Path(sys.executable).parent / "sushy-emulator"
    # It leaves the media it fetched in TMPDIR.
    process.spawn(
        "emulator",
        beside_libvirtd(str(program), "--config", str(configuration)),
        {"TMPDIR": str(STATE / "tmp"), "PYTHONUNBUFFERED": "1"},
    )
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    process.wait_for("emulator", lambda: _answers(f"{BMC_URL}/redfish/v1/", context))
    return True


def _answers(url: str, context: ssl.SSLContext) -> bool:
    """Say whether a server answers at all; a refusal is an answer."""
    try:
        with urllib.request.urlopen(url, timeout=5, context=context):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
