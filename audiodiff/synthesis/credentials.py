"""Content Credentials: a signed statement in a sound file that says that a model made it, and from what.

The format is that of the Coalition for Content Provenance and Authenticity (C2PA specification 2), written and checked
by `c2pa-python`, which the extra `sign` installs. Samples stay as they are.
"""

import contextlib
import datetime
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from audiodiff._version import __version__
from audiodiff.atomic import atomic_file, scratch_folder
from audiodiff.errors import AudiodiffError

INSTALL = "install it with pip install 'audiodiff-synth[sign]'"
OWN_KEY = "own"
"""What stands for the key of the installation."""

ENVIRONMENT = "AUDIODIFF_CONFIG"
"""Environment variable with the folder of the installation's key."""

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""What a file is in the vocabulary of the IPTC: made by a model, or a recording with parts that are."""

FORMATS = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg"}
"""Extension -> type of the files that can be signed."""

UNSIGNED = "cannot be signed; only its tags and its watermark say that it is synthetic"

_KEY, _CERTIFICATES = "signing-key.pem", "signing-certificates.pem"
_LONGEST = 1 << 20
_YEARS = 10


@dataclass(frozen=True)
class SigningKey:
    """What signs.

    Attributes:
        certificates: PEM, that of the key first, then those that vouch for it.
        key: PEM, private.
        algorithm: its name in C2PA, such as "es256".
    """

    certificates: bytes
    key: bytes
    algorithm: str


@dataclass(frozen=True)
class SignatureFinding:
    """What a signature is worth.

    Attributes:
        valid: whether file and statement are what was signed.
        trusted: whether a list of known certificates vouches for the signer.
        issuer: who signed, as the certificate says.
        source_type: what the file is said to be, the last part of the IPTC's name; empty if it is not said.
        problems: codes of C2PA of what does not fit.
    """

    valid: bool
    trusted: bool
    issuer: str
    source_type: str
    problems: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say it in words."""
        worth = "valid, trusted key" if self.trusted else "valid, untrusted key: anybody can make one of that name"
        if not self.valid:
            worth = f"not valid ({', '.join(self.problems) or 'damaged'})"
        said = f", says {self.source_type}" if self.source_type else ""
        return f"{worth}; signed by {self.issuer or 'an unnamed key'}{said}"


def available() -> bool:
    """Whether signatures can be made and checked."""
    return find_spec("c2pa") is not None and find_spec("cryptography") is not None


def check_available() -> None:
    """Refuse to sign without the packages for it.

    Raises:
        AudiodiffError: one is missing.
    """
    if not available():
        raise AudiodiffError(f"signing needs c2pa-python and cryptography; {INSTALL}.")


def config_folder() -> Path:
    """Return where the key of the installation is: `AUDIODIFF_CONFIG`, else in the user's folder for settings."""
    if chosen := os.environ.get(ENVIRONMENT):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        # the specification of the variable wants relative paths ignored
        stated = Path(os.environ.get("XDG_CONFIG_HOME", ""))
        folder = stated if stated.is_absolute() else Path.home() / ".config"
    return folder / "audiodiff"


def signing_key(chosen: str) -> SigningKey:
    """Return the key that was asked for.

    Args:
        chosen: `own` for that of the installation, which is made when it is first needed, or `CERTIFICATES,KEY`, two
            PEM files.

    Raises:
        AudiodiffError: it cannot be read or used, or the packages are missing.
    """
    check_available()
    if chosen == OWN_KEY:
        return _own_key(config_folder())
    certificates, comma, key = chosen.partition(",")
    if not comma or not certificates or not key:
        raise AudiodiffError(f"--sign is {chosen!r}; expected {OWN_KEY}, or CERTIFICATES,KEY, two PEM files.")
    return _checked(_content(Path(certificates).expanduser()), _content(Path(key).expanduser()), key)


def sign(path: Path, key: SigningKey, *, format: str, title: str, source_type: str, inputs: Sequence[Path]) -> None:
    """Sign a sound file in place, one that nobody else sees yet.

    Args:
        path: the file.
        key: that signs.
        format: one of `FORMATS`.
        title: what the statement calls it.
        source_type: `GENERATED` or `COMPOSITE`.
        inputs: the files that went in.

    Raises:
        AudiodiffError: it cannot be signed.
    """
    from c2pa import Builder, C2paError, C2paSignerInfo, Signer

    agent = {"name": "audiodiff", "version": __version__}
    names = [f"input-{index}" for index in range(len(inputs))]
    if inputs:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": names[:1]}}
        placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": [name]}} for name in names[1:]]
        edited = {"action": "c2pa.edited", "digitalSourceType": source_type, "softwareAgent": agent}
        actions = [opened, *placed, edited]
    else:
        actions = [{"action": "c2pa.created", "digitalSourceType": source_type, "softwareAgent": agent}]
    manifest = {
        "claim_generator_info": [agent],
        "title": title,
        "format": format,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }
    info = C2paSignerInfo(key.algorithm, key.certificates, key.key, None)
    try:
        with (
            scratch_folder(path.parent) as folder,
            _context() as context,
            Signer.from_info(info) as signer,
            Builder(json.dumps(manifest), context) as builder,
        ):
            for index, (name, file) in enumerate(zip(names, inputs, strict=True)):
                told = {"title": file.name, "relationship": "componentOf" if index else "parentOf", "instance_id": name}
                with _ingredient(file, folder) as (stream, kind):
                    builder.add_ingredient(json.dumps({**told, "format": kind}), kind, stream)
            signed = folder / "signed"
            with path.open("rb") as plain, signed.open("w+b") as target:
                builder.sign(signer, format, plain, target)
            with signed.open("rb") as source, path.open("wb") as target:
                while block := source.read(_LONGEST):
                    target.write(block)
    except C2paError as error:
        raise AudiodiffError(
            f"{title} cannot be signed ({_reason(error)}); is the certificate one for signing?"
        ) from error


def find_signature(path: Path) -> SignatureFinding | None:
    """Check the Content Credentials in a file; `None` of a file without any, or without the packages to check them."""
    if not available():
        return None
    from c2pa import C2paError, Reader

    with path.open("rb") as stream:
        kind = _kind_of(stream.read(12))
        if kind is None:
            return None
        stream.seek(0)
        try:
            with _context() as context:
                reader = Reader.try_create(kind, stream, context=context)
                if reader is None:
                    return None
                with reader:
                    found = json.loads(reader.json())
        except C2paError as error:
            return SignatureFinding(False, False, "", "", (_reason(error),))
    manifest = found.get("manifests", {}).get(found.get("active_manifest"), {})
    state = found.get("validation_state")
    problems = [str(item.get("code")) for item in found.get("validation_status", [])]
    return SignatureFinding(
        valid=state in {"Valid", "Trusted"},
        trusted=state == "Trusted",
        issuer=str(manifest.get("signature_info", {}).get("issuer") or ""),
        source_type=_source_type(manifest),
        problems=tuple(code for code in problems if code != "signingCredential.untrusted"),
    )


def _source_type(manifest: dict[str, Any]) -> str:
    """The last source type that the actions of a statement name."""
    named = [
        str(action["digitalSourceType"]).rpartition("/")[2]
        for assertion in manifest.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
        if action.get("digitalSourceType")
    ]
    return named[-1] if named else ""


def _context() -> Any:
    """Settings of C2PA: nothing is fetched, whatever a file asks for."""
    from c2pa import Context

    return Context.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}})


@contextlib.contextmanager
def _ingredient(file: Path, folder: Path) -> Iterator[tuple[Any, str]]:
    """An input as C2PA can take it: formats that it does not know are kept by their bytes alone."""
    with file.open("rb") as stream:
        kind = _kind_of(stream.read(12))
        stream.seek(0)
        yield stream, kind or "application/octet-stream"


def _kind_of(head: bytes) -> str | None:
    """The type of a file by its first bytes, if it is one of `FORMATS`."""
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return FORMATS[".wav"]
    if head[:4] == b"fLaC":
        return FORMATS[".flac"]
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        return FORMATS[".mp3"]
    return None


def _own_key(folder: Path) -> SigningKey:
    """Read the key of the installation, or make it."""
    certificates, key = folder / _CERTIFICATES, folder / _KEY
    if not (certificates.is_file() and key.is_file()):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise AudiodiffError(f"{folder} cannot be made for the signing key ({error.strerror}).") from error
        chain, private = _new_key()
        for path, content in ((certificates, chain), (key, private)):
            with atomic_file(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.chmod(0o600)  # before the key is in it
                temporary.write_bytes(content)
        key.chmod(0o600)
    return _checked(_content(certificates), _content(key), str(key))


def _new_key() -> tuple[bytes, bytes]:
    """Make a certificate chain and a private key, as PEM: ECDSA with P-256, under a root of its own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    stop = start + datetime.timedelta(days=365 * _YEARS)

    def name(common: str) -> x509.Name:
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "audiodiff installation")
        return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(signs, False, False, False, False, not signs, not signs, False, False)

    def certificate(common: str, public: Any, *, end: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(common))
            .issuer_name(name("audiodiff installation root"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(stop)
            .add_extension(x509.BasicConstraints(ca=not end, path_length=None if end else 0), critical=True)
            .add_extension(usage(signs=end), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )

    root = certificate("audiodiff installation root", root_key.public_key(), end=False).sign(root_key, hashes.SHA256())
    leaf = (
        certificate("audiodiff installation", key.public_key(), end=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(pem) + root.public_bytes(pem), private


def _checked(certificates: bytes, key: bytes, name: str) -> SigningKey:
    """Read the kind of a private key.

    Raises:
        AudiodiffError: it is no key that can sign here.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise AudiodiffError(f"{name} is no private key in PEM without a password; give one that is.") from error
    algorithm = ""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}.get(private.curve.name, "")
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    elif isinstance(private, rsa.RSAPrivateKey):
        algorithm = "ps256"
    if not algorithm or b"BEGIN CERTIFICATE" not in certificates:
        raise AudiodiffError(f"{name} and its certificates cannot sign; expected ECDSA, Ed25519 or RSA, all in PEM.")
    return SigningKey(certificates, key, algorithm)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be read ({error.strerror}); give a PEM file.") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
