"""Why nobody could sign in: what azure's identity package says in, an error with its remedy out. Pure.

The package says at length what it tried. Of that only the directory's code, a file's name or a network's failure is
told; the rest may repeat what was sent.
"""

import re

from tritext_store.errors import CredentialExpired, Denied, StoreError, Unreachable

_CODE = re.compile(r"AADSTS(\d+)")
_FILE = re.compile(r"\[Errno \d+\] ([^:\n]+): '([^'\n]+)'")
# As aiohttp and azure's packages begin when no answer comes.
_NETWORK = re.compile(r"(Cannot connect to host|Connection timeout|Server disconnected|Connection lost)")
_DETAIL = re.compile(r"(certificate verify failed: [^(\n\]]+|Name or service not known|Connect call failed|timed out)")

_RENEW = "put the one of now into AZURE_CLIENT_SECRET, and start again what runs"
_FEDERATED = "the application needs a federated credential with this issuer, subject and audience"
_EXPIRED = {
    "7000222": f"the client secret has ended: make a new one, {_RENEW}",
    "700024": "the federated token, or what the certificate has signed, is not good at this time: see that the file "
    "which AZURE_FEDERATED_TOKEN_FILE names is renewed, and that the clock is right",
    "1000502": "the certificate has ended: put a new one where AZURE_CLIENT_CERTIFICATE_PATH names it",
}
_WRONG = {
    "7000215": f"the client secret is wrong (its value is needed, not its id): {_RENEW}",
    "700016": "the directory knows no such application: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    "90002": "there is no such directory: check AZURE_TENANT_ID and AZURE_AUTHORITY_HOST",
    "700027": "the application does not know the certificate: add it there, or check AZURE_CLIENT_CERTIFICATE_PATH",
    "50013": "the federated token was signed by somebody whom the directory does not trust: check the file that "
    "AZURE_FEDERATED_TOKEN_FILE names",
    "70021": f"the directory does not expect this federated token: {_FEDERATED}",
    "700211": f"the directory does not expect this federated token's issuer: {_FEDERATED}",
    "700212": f"the directory does not expect this federated token's audience: {_FEDERATED}",
    "700213": f"the directory does not expect this federated token's subject: {_FEDERATED}",
}


def explain_sign_in(where: object, said: str) -> StoreError:
    """Name why there is no token, and what to do about it.

    Args:
        where: What was to be read or written.
        said: Everything that the package says.
    """
    if found := _CODE.search(said):
        code = found[1]
        if code in _EXPIRED:
            return CredentialExpired(f"{where}: cannot sign in (AADSTS{code}): {_EXPIRED[code]}")
        why = _WRONG.get(code, "look the code up, and the application's sign-in log")
        return Denied(f"{where}: cannot sign in (AADSTS{code}): {why}")
    if found := _FILE.search(said):
        return Denied(f"{where}: cannot sign in: {found[2]}: {found[1]}: check AZURE_FEDERATED_TOKEN_FILE")
    if found := _NETWORK.search(said):
        detail = _DETAIL.search(said)
        why = f"{found[1]}{': ' + detail[1].strip() if detail else ''}"
        return Unreachable(
            f"{where}: the directory cannot be reached: {why}: check AZURE_AUTHORITY_HOST and the network"
        )
    return Denied(
        f"{where}: no credential: give the machine or the pod an identity, run `az login`, "
        "or put a SAS into a file and name that in TRITEXT_SAS_FILE"
    )
