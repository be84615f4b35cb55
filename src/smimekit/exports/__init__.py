"""Certificates as other programs take them in: PEM, p7b, LDIF, vCard, CSV. Writes; reads nothing.

Knows certificates and whose they are. May not know stores, nor whom to trust: who calls chooses.
Each form comes as chunks of bytes, and no more of it is held than one person's certificates.
"""

from smimekit.exports.bundles import p7b, pem
from smimekit.exports.ldif import ldif
from smimekit.exports.people import Person, has_entries, people
from smimekit.exports.table import csv_table
from smimekit.exports.vcard import vcards

__all__ = ["Person", "csv_table", "has_entries", "ldif", "p7b", "pem", "people", "vcards"]
