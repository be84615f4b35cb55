"""CMS (RFC 5652 and its family) in streams. Knows no MIME, no trust, no clock."""

__all__: list[str] = []
