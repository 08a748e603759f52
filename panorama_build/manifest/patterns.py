"""The patterns of panorama.yaml's texts, and how a person says them.

Names are those of AWS's JSON Schemas (packageManifest, nodeGraph), with the lengths that stand beside them.
"""

from __future__ import annotations

NAME = r"^[a-zA-Z0-9_-]+$"
ASSET_NAME = r"^[$a-zA-Z0-9_-]+$"
PORT_NAME = r"^[$a-zA-Z0-9_]+$"
ACCOUNT = r"^[$0-9a-zA-Z_]+$"
VERSION = r"^[0-9]+\.[0-9]+$"
FRAMEWORK_VERSION = r"^[0-9]+\.[A-Za-z0-9.]+$"
SHA256 = r"^[0-9a-f]{64}$"
EDGE = r"^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)? *-> *[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)?$"
ROUTE = r"^([0-9]{1,5} *-> *)?[a-zA-Z0-9_-]+:[0-9]{1,5}$"

IMAGE_DIGEST = r"^sha256:[0-9a-f]{64}$"
STREAM_URL = r"^(?!.*[Pp]ass(word|wd)?=)rtsps?://[^@\s]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
ROLE_ARN = r"^arn:[a-z0-9][-.a-z0-9]{0,62}:iam::[0-9]{12}:role/.+$"
CAMERA = r"^([a-zA-Z0-9_]+::)?[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)?$"

_CHARACTERS = {
    NAME: "letters, digits, - and _",
    ASSET_NAME: "letters, digits, $, - and _",
    PORT_NAME: "letters, digits, $ and _",
}
_FORMS = {
    ACCOUNT: "12 digits, or letters, $ and _ of a placeholder",
    VERSION: "major.minor, e.g. 1.0",
    FRAMEWORK_VERSION: "major.minor, e.g. 1.8",
    SHA256: "64 of the digits 0 to 9 and a to f",
    IMAGE_DIGEST: "sha256: and 64 of the digits 0 to 9 and a to f",
    EDGE: "node.output -> node.input",
    ROUTE: "host port -> node:container port",
    CAMERA: "camera, package.interface or account::package.interface",
    STREAM_URL: "rtsp://HOST/PATH without a password",
    VARIABLE: "letters, digits and _, and no digit first",
    ROLE_ARN: "arn:aws:iam::123456789012:role/NAME",
}


def takes(pattern: str, longest: int | None) -> str:
    """What a text of a pattern, and of so many characters at most, takes."""
    if pattern in _CHARACTERS:
        return _CHARACTERS[pattern] + (f", {longest} at most" if longest else "")
    return _FORMS[pattern]
