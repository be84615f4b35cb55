"""asn1crypto's types for certificates, CRLs and OCSP, made safe for threads.

Knows asn1crypto, and nothing else. asn1crypto completes the description of a type when the first
value of it is made, and takes no lock: two threads that do so at the same time leave it wrong
for good, and no path is valid then. So all of them are completed here, while Python's own lock
on imports keeps everybody else out. To be imported where it is needed: it is slow.

asn1crypto also translates domains as IDNA 2003 has it, and refuses a certificate for those of
IDNA 2008 (RFC 9549, 2): "xn--strae-oqa.example". In the names that are held against constraints
they stay as they are. And certvalidator cannot hold a constraint on otherNames, as CAs have them
for logons of Windows: `trust.names` judges these, so here there are none.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from asn1crypto import core, crl, ocsp, x509

__all__ = ["Certificate", "CertificateList", "OCSPResponse", "types_below"]


def _with(fields: Any, **kinds: Any) -> list[Any]:
    """asn1crypto's description of a type, with other types for the members that are named."""
    return [(name, kinds.get(name, kind), *rest) for name, kind, *rest in fields]


class _AsItStands(core.IA5String):  # type: ignore[misc]  # asn1crypto has no types
    """A text whose domain is not translated."""

    _bad_tag = (12, 19, 20)  # UTF8String, PrintableString, TeletexString: found in real ones

    _unicode: Any

    def __unicode__(self) -> Any:
        if self._unicode is None:
            self._unicode = self._merge_chunks().decode("latin-1")
        return self._unicode


class _GeneralName(x509.GeneralName):  # type: ignore[misc]  # see above
    _alternatives = _with(
        x509.GeneralName._alternatives,  # noqa: SLF001 - how its types are described
        rfc822_name=_AsItStands,
        dns_name=_AsItStands,
        uniform_resource_identifier=_AsItStands,
    )


class _GeneralNames(x509.GeneralNames):  # type: ignore[misc]  # see above
    _child_spec = _GeneralName


class _GeneralSubtree(x509.GeneralSubtree):  # type: ignore[misc]  # see above
    _fields = _with(x509.GeneralSubtree._fields, base=_GeneralName)


class _GeneralSubtrees(x509.GeneralSubtrees):  # type: ignore[misc]  # see above
    _child_spec = _GeneralSubtree

    def __iter__(self) -> Iterator[Any]:
        return (each for each in super().__iter__() if each["base"].name != "other_name")


class _NameConstraints(x509.NameConstraints):  # type: ignore[misc]  # see above
    _fields = _with(
        x509.NameConstraints._fields,
        permitted_subtrees=_GeneralSubtrees,
        excluded_subtrees=_GeneralSubtrees,
    )


class _Extension(x509.Extension):  # type: ignore[misc]  # see above
    _oid_specs = x509.Extension._oid_specs | {  # noqa: SLF001 - see above
        "subject_alt_name": _GeneralNames,
        "name_constraints": _NameConstraints,
    }


class _Extensions(x509.Extensions):  # type: ignore[misc]  # see above
    _child_spec = _Extension


class _TbsCertificate(x509.TbsCertificate):  # type: ignore[misc]  # see above
    _fields = _with(x509.TbsCertificate._fields, extensions=_Extensions)


class _Certificate(x509.Certificate):  # type: ignore[misc]  # see above
    _fields = _with(x509.Certificate._fields, tbs_certificate=_TbsCertificate)


Certificate: Any = _Certificate
CertificateList: Any = crl.CertificateList
OCSPResponse: Any = ocsp.OCSPResponse


def types_below(kind: Any) -> Iterator[Any]:
    """A type's subtypes, and theirs."""
    for each in kind.__subclasses__():
        yield each
        yield from types_below(each)


def _complete() -> None:
    for each in types_below(core.Asn1Value):
        with suppress(TypeError):  # of the one abstract type, which describes nothing
            each()


_complete()
