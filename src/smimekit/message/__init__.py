"""Messages: the only place where MIME meets CMS, and both meet trust and keys."""

__all__: list[str] = []
