"""Certificates that a client can check."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from etcdpy.testing.certificates import make_certificates


def test_authority_has_signed_both_for_this_machine(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    context = ssl.create_default_context(cafile=made.ca)
    context.load_cert_chain(made.client_cert, made.client_key)
    authority = x509.load_pem_x509_certificate(Path(made.ca).read_bytes())
    server = x509.load_pem_x509_certificate(Path(made.server_cert).read_bytes())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
