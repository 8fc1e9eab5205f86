"""What can go wrong between this machine and a blob.

::

    StoreError                   every refusal below; the command prints it and exits 1
    ├── LocationError            the address cannot be understood, or holds a secret
    ├── MissingExtra             a package that this kind of storage needs is not installed
    ├── NotFound                 no such account, container, or blob
    ├── Denied                   the credential is there, and may not do this; or there is none
    │   ├── CredentialExpired    it was good once
    │   └── ClockSkew            this machine's clock is so far off that the service refuses it
    ├── Unreachable              no connection: name, network, certificate; or the service failed
    ├── Throttled                too many requests: come back later
    ├── Changed                  somebody else has written meanwhile: nothing of theirs is overwritten
    ├── Damaged                  what came is not what the index promises, or the index is none
    ├── Unexpected               a file that a model repository does not hold
    └── LocalError               this machine's disk, or what is in the way on it

Each message names the value that was wrong and says what to do next. None holds a secret.
"""


class StoreError(Exception):
    """Base of everything that storage refuses, or that this package refuses to take from it."""


class LocationError(StoreError):
    """The address cannot be understood, or holds a secret."""


class MissingExtra(StoreError):
    """A package that this kind of storage needs is not installed."""


class NotFound(StoreError):
    """There is no such account, container or blob."""


class Denied(StoreError):
    """The credential may not do this, or there is none."""


class CredentialExpired(Denied):
    """The credential was good once."""


class ClockSkew(Denied):
    """This machine's clock is too far from the service's."""


class Unreachable(StoreError):
    """There is no connection, or the service failed."""


class Throttled(StoreError):
    """The service asks for fewer requests."""


class Changed(StoreError):
    """Somebody else has written meanwhile."""


class Damaged(StoreError):
    """The content is not what its index promises."""


class Unexpected(StoreError):
    """A file that a model repository does not hold."""


class LocalError(StoreError):
    """This machine's disk does not play along."""
