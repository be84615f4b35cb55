"""MIME on bytes (RFC 2045, 2046, 1847): spans in, spans out. Knows no crypto and no trust.

What was signed is a span of what arrived, so nothing here parses and re-serialises what is
read; what is written is checked before it is signed, and never touched afterwards.
"""

__all__: list[str] = []
