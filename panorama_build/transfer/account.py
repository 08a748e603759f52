"""The AWS account that one publishes to: stated, remembered, or asked of STS once."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.files import write_whole
from panorama_build.transfer.panorama import caller_account


class Account:
    """Whose packages these are. ``stated`` is what a person wrote; what STS says is kept in ``folder``.

    It is kept for the profile, the access key and the endpoint that are in force: others may be of another account.
    """

    def __init__(self, stated: str | None, address: Address, folder: Path) -> None:
        self.stated = stated
        self.address = address
        used = (address.profile_used(), os.environ.get("AWS_ACCESS_KEY_ID"), address.endpoint_used())
        self.file = folder / hashlib.sha256(repr(used).encode()).hexdigest()[:16]
        self._lock = threading.Lock()

    @property
    def known(self) -> str | None:
        """The account, as far as it is known without a request."""
        return self.stated or self._remembered()

    def ask(self) -> str:
        """The account, from STS where it is not known yet. Raises PanoramaError where STS does not say."""
        with self._lock:
            if known := self.known:
                return known
            try:
                account = caller_account(self.address)
            except PanoramaError as error:
                hint = f"{error.hint}; or state account: in panorama.yaml or PANORAMA_ACCOUNT"
                raise PanoramaError(error.message, where="account", hint=hint) from error
            write_whole(self.file, account.encode())
            return account

    def _remembered(self) -> str | None:
        try:
            said = self.file.read_text()
        except (OSError, ValueError):
            return None
        return said if re.fullmatch("[0-9]{12}", said) else None
