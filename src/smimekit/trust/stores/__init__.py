"""The trust stores that come with the library. Their protocol is `trust.store`."""
