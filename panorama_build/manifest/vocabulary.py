"""The words of panorama.yaml: every key that a person may write, with its type and what it means.

Three states of a key: left out, it takes its default; ``null``, it is absent from the generated document; otherwise
it is as written. Names and lengths are those of AWS's JSON Schemas; what its service model takes is narrower, and
for the check to tell.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from panorama_build.manifest import patterns

AssetName: TypeAlias = Annotated[str, Meta(pattern=patterns.ASSET_NAME, min_length=1, max_length=255)]
PackageKey: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=128)]
InterfaceName: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=128)]
PortName: TypeAlias = Annotated[str, Meta(pattern=patterns.PORT_NAME, min_length=1, max_length=50)]
Version: TypeAlias = Annotated[str, Meta(pattern=patterns.VERSION, max_length=255)]
Text: TypeAlias = Annotated[str, Meta(max_length=255)]
Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
ImageDigest: TypeAlias = Annotated[str, Meta(pattern=patterns.IMAGE_DIGEST)]
Sha256: TypeAlias = Annotated[str, Meta(pattern=patterns.SHA256)]
PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
PortType: TypeAlias = Literal["boolean", "float32", "int32", "string", "media"]
Number: TypeAlias = int | float
TensorType: TypeAlias = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "float64"]
FrameworkVersion: TypeAlias = Annotated[str, Meta(pattern=patterns.FRAMEWORK_VERSION, min_length=3, max_length=10)]
Account: TypeAlias = Annotated[str, Meta(pattern=patterns.ACCOUNT, max_length=128)]
StreamUrl: TypeAlias = Annotated[str, Meta(pattern=patterns.STREAM_URL, max_length=255)]
VariableName: TypeAlias = Annotated[str, Meta(pattern=patterns.VARIABLE)]
CameraName: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=128)]
DeviceName: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=255)]
InstanceName: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=255)]
SiteName: TypeAlias = Annotated[str, Meta(pattern=patterns.NAME, min_length=1, max_length=100)]
RoleArn: TypeAlias = Annotated[str, Meta(pattern=patterns.ROLE_ARN, max_length=255)]
TagKey: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
TagValue: TypeAlias = Annotated[str, Meta(max_length=256)]
EntryList: TypeAlias = Annotated[list[str], Meta(min_length=1)]
Extra: TypeAlias = dict[str, Any]
Order: TypeAlias = Annotated[
    dict[str, list[str]], Meta(description="Keys that come first in the document's objects, e.g. `nodes: [interface]`.")
]
Implementation: TypeAlias = Annotated[Extra, Meta(description="Further members of the asset's implementation.")]


class Words(Struct, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the manifest."""

    extra: Annotated[Extra, Meta(description="Members of the generated JSON that have no word here.")] = {}


class Location(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where bytes lie, and how to reach them when the environment doesn't say."""

    url: Annotated[str, Meta(description="A path, s3://bucket/key, https:// to read from, or `panorama`.")]
    endpoint: Annotated[
        str | None, Meta(description="The URL of an S3, or of a Panorama service, that is not AWS's.")
    ] = None
    region: Annotated[str | None, Meta(description="The bucket's region.")] = None
    profile: Annotated[str | None, Meta(description="A profile of AWS's configuration files.")] = None
    requester_pays: Annotated[
        bool, Meta(description="true: pay for what is asked of an S3 bucket, where it wants that.")
    ] = False


class SharedStore(Location, kw_only=True, forbid_unknown_fields=True):
    """Where a team shares what it has built."""

    read_only: Annotated[
        bool, Meta(description="true: take from it, and give nothing. PANORAMA_CACHE_READ_ONLY overrules it.")
    ] = False


class Recipe(Words, kw_only=True):
    """How a container asset is made."""

    asset: Annotated[
        AssetName | None, Meta(description="The asset's name. Default: the package's key with `_container`.")
    ] = None
    image: Annotated[str | None, Meta(description="An image that exists, in place of a Dockerfile.")] = None
    context: Annotated[str | None, Meta(description="Default: the package's folder.")] = None
    dockerfile: Annotated[str, Meta(description="Relative to the context.")] = "Dockerfile"
    args: Annotated[dict[str, str], Meta(description="Build arguments.")] = {}
    bases: Annotated[
        dict[str, ImageDigest],
        Meta(description="Pins: the digest of each image that the Dockerfile names. `panorama-build pin` writes them."),
    ] = {}
    target: Annotated[str | None, Meta(description="The stage of a multi-stage Dockerfile.")] = None
    network: Annotated[str | None, Meta(description="The network of RUN steps, e.g. none or host.")] = None
    pull: Annotated[bool, Meta(description="false: the base image lies in the engine alone.")] = True
    description: Annotated[Text | None, Meta(description="Of the asset.")] = None
    uri: Annotated[str | None, Meta(description="What stands for the asset until it is built.")] = None
    descriptor_uri: Annotated[
        str | None, Meta(description="What stands for the descriptor until the asset is built.")
    ] = None
    implementation: Implementation = {}


class EntryPoint(Words, kw_only=True):
    """What the appliance starts."""

    path: Annotated[str | None, Meta(description="The interpreter, e.g. python3.")] = None
    name: Annotated[str, Meta(min_length=1, description="The script's path in the container.")]
    arguments: Annotated[list[str] | None, Meta(description="What the script is given.")] = None
    environment: Annotated[dict[str, str] | None, Meta(description="Variables that the script finds set.")] = None


class Input(Words, kw_only=True):
    """An input of a model."""

    shape: Annotated[list[int], Meta(description="The tensor's dimensions, e.g. [1, 3, 224, 224].")]
    type: Annotated[TensorType | None, Meta(description="The type of its numbers.")] = None


class ModelWords(Words, kw_only=True):
    """A model asset."""

    source: Annotated[str | Location | None, Meta(description="A path, https:// or s3:// of the raw model.")] = None
    sha256: Annotated[Sha256 | None, Meta(description="The pin: the archive must have this digest.")] = None
    framework: Annotated[str | UnsetType, Meta(description="PYTORCH, TENSORFLOW or MXNET.")] = UNSET
    framework_version: Annotated[
        FrameworkVersion | None, Meta(description="major.minor of the framework, which PYTORCH and TENSORFLOW need.")
    ] = None
    precision: Annotated[
        Literal["FP32", "FP16"] | None, Meta(description="Numbers that the compiled model calculates with.")
    ] = None
    inputs: Annotated[dict[str, list[int] | Input], Meta(description="Each input's shape.")] = {}
    descriptor: Annotated[str | None, Meta(description="File name of the descriptor.")] = None
    requirements: Annotated[list[Any] | None, Meta(description="Requirements as package.json writes them.")] = None
    description: Annotated[Text | None, Meta(description="Of the asset.")] = None
    uri: Annotated[str | None, Meta(description="What stands for the asset where there is no source.")] = None
    descriptor_uri: Annotated[
        str | None, Meta(description="What stands for the descriptor where there is no source.")
    ] = None
    implementation: Implementation = {}


class PortWords(Words, kw_only=True):
    """A port with more than a type."""

    type: Annotated[PortType, Meta(description="What flows through the port.")]
    description: Annotated[Text | None, Meta(description="What a console shows of the port.")] = None
    default: Annotated[str | None, Meta(description="A value of the port's type.")] = None
    max_connections: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="How many edges may end here; 0: any number.")
    ] = None


class InboundPortWords(Words, kw_only=True):
    """A TCP port that the container listens on."""

    port: Annotated[PortNumber, Meta(description="The port's number in the container.")]
    description: Annotated[Text | None, Meta(description="What it is for.")] = None


class CameraWords(Struct, kw_only=True, forbid_unknown_fields=True):
    """A camera package of one's own, as ``create-package --type Camera`` made it."""

    username: Annotated[str, Meta(description="Of the camera's account.")] = "<username>"
    password: Annotated[str, Meta(description="Of the camera's account; it is published with the package.")] = (
        "<password>"
    )
    url: Annotated[str, Meta(description="The RTSP stream.")] = "rtsp://<stream url>"


class InterfaceWords(Words, kw_only=True):
    """An interface in full."""

    category: Annotated[
        Literal["business_logic", "ml_model", "media_source", "media_sink"] | None,
        Meta(description="What nodes of this interface are."),
    ] = "business_logic"
    asset: Annotated[str | None, Meta(description="The asset that implements it.")] = None
    inputs: Annotated[dict[PortName, PortType | PortWords] | None, Meta(description="Its input ports.")] = {}
    outputs: Annotated[dict[PortName, PortType | PortWords] | None, Meta(description="Its output ports.")] = {}
    ports: Annotated[
        list[PortNumber | InboundPortWords] | None, Meta(description="TCP ports that the container listens on.")
    ] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the interface.")] = None


class PackageWords(Words, kw_only=True):
    """A node package: one container, camera or screen, and any number of models."""

    name: Annotated[str | UnsetType | None, Meta(description="Default: its key.")] = UNSET
    version: Annotated[Version | None, Meta(description="major.minor")] = "1.0"
    directory_version: Annotated[Version | None, Meta(description="The version in the folder's name.")] = None
    directory: Annotated[str | None, Meta(description="The folder's name, where it's no account-key-version.")] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the package.")] = None
    container: Annotated[AssetName | Recipe | None, Meta(description="The asset's name, or how it's made.")] = None
    entry: Annotated[EntryList | EntryPoint | None, Meta(description="[interpreter, script, argument...]")] = None
    events: Annotated[
        list[Any] | None,
        Meta(description="What the code is told, as descriptor.json writes it (runtimeDescriptor.events)."),
    ] = None
    descriptor: Annotated[str | None, Meta(description="File name of the container's descriptor.")] = None
    gpu: Annotated[bool, Meta(description="Ask for the appliance's GPU.")] = False
    requirements: Annotated[list[Any] | None, Meta(description="Requirements as package.json writes them.")] = None
    models: Annotated[
        dict[AssetName, ModelWords | str], Meta(description="Model assets; PACKAGE.ASSET takes another package's.")
    ] = {}
    camera: Annotated[CameraWords | None, Meta(description="A camera package of one's own.")] = None
    sink: Annotated[Literal["hdmi"] | None, Meta(description="A sink package of one's own.")] = None
    system: Annotated[dict[AssetName, str], Meta(description="System assets: the path of an appliance component.")] = {}
    assets: Annotated[
        list[AssetName] | UnsetType | None, Meta(description="The assets' order; null: no empty list of them.")
    ] = UNSET
    inputs: Annotated[
        dict[PortName, PortType | PortWords] | UnsetType, Meta(description="The container's input ports.")
    ] = UNSET
    outputs: Annotated[
        dict[PortName, PortType | PortWords] | UnsetType, Meta(description="The container's output ports.")
    ] = UNSET
    ports: Annotated[
        list[PortNumber | InboundPortWords] | None, Meta(description="TCP ports that the container listens on.")
    ] = None
    interfaces: Annotated[
        dict[InterfaceName, InterfaceWords] | None,
        Meta(description="All interfaces in full, in place of the derived ones."),
    ] = None
    descriptors: Annotated[
        dict[str, Any], Meta(description="Descriptor files as JSON: further ones, and those that `descriptor` names.")
    ] = {}
    order: Order = {}


class NodeWords(Words, kw_only=True):
    """A node with more than an interface."""

    name: Annotated[str | None, Meta(description="Default: its key, which no other node can have.")] = None
    interface: Annotated[str | None, Meta(description="package, package.asset or package.interface")] = None
    camera: Annotated[Label | UnsetType | None, Meta(description="An abstract camera with this title.")] = UNSET
    hdmi: Annotated[Label | UnsetType | None, Meta(description="The appliance's screen, with this title.")] = UNSET
    boolean: Annotated[
        bool | UnsetType | None, Meta(description="A parameter of this type with this value; null: with none.")
    ] = UNSET
    float32: Annotated[
        Number | UnsetType | None, Meta(description="A parameter of this type with this value; null: with none.")
    ] = UNSET
    int32: Annotated[
        int | UnsetType | None, Meta(description="A parameter of this type with this value; null: with none.")
    ] = UNSET
    string: Annotated[
        str | UnsetType | None, Meta(description="A parameter of this type with this value; null: with none.")
    ] = UNSET
    overridable: Annotated[
        bool | UnsetType | None,
        Meta(
            description="Whether a deployment may replace it. Default: a camera true, a parameter nothing, else false."
        ),
    ] = UNSET
    override_mandatory: Annotated[bool | None, Meta(description="Whether a deployment must replace it.")] = None
    launch: Annotated[
        Literal["onDemand", "onAppStart", "onSignal"] | UnsetType | None,
        Meta(description="When the node starts. Default: onAppStart, and nothing for a parameter."),
    ] = UNSET
    title: Annotated[Label | None, Meta(description="What a console calls the node.")] = None
    description: Annotated[Label | None, Meta(description="What a console shows of the node.")] = None
    constraint_text: Annotated[Label | None, Meta(description="Which values a console asks for.")] = None
    constraint_regex: Annotated[Label | None, Meta(description="Which values a console takes.")] = None
    decorator: Annotated[Extra, Meta(description="Further members of the decorator.")] = {}


class RouteWords(Words, kw_only=True):
    """A route with more than its ports."""

    node: Annotated[str, Meta(description="The node that listens.")]
    container_port: Annotated[PortNumber, Meta(description="One of the `ports` of its package.")]
    host_port: Annotated[int | None, Meta(description="The device's port, 8000 to 9000.")] = None
    title: Annotated[Label | None, Meta(description="What a console calls the route.")] = None
    description: Annotated[Label | None, Meta(description="What a console shows of the route.")] = None


class Requirement(Words, kw_only=True):
    """A package that a graph needs, with more than a version."""

    version: Annotated[str | None, Meta(description="major.minor")] = None


class EdgeWords(Words, kw_only=True):
    """An edge whose ends are taken as they stand."""

    producer: Annotated[str, Meta(description="`node.output`, or a parameter's name.")]
    consumer: Annotated[str, Meta(description="`node.input`")]


Nodes: TypeAlias = dict[str, str | NodeWords]
Requirements: TypeAlias = dict[str, Version | Requirement]
EdgeText: TypeAlias = Annotated[str, Meta(pattern=patterns.EDGE)]
Edges: TypeAlias = list[EdgeText | EdgeWords]
CameraText: TypeAlias = Annotated[str, Meta(pattern=patterns.CAMERA, max_length=255)]
RouteText: TypeAlias = Annotated[str, Meta(pattern=patterns.ROUTE)]


class GraphWords(Words, kw_only=True):
    """A graph: what runs, and what flows where."""

    name: Annotated[str | None, Meta(description="The graph's folder. Default: the application.")] = None
    account: Annotated[
        str | None, Meta(description="Another account than the application's, where the graph names one.")
    ] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the graph.")] = None
    packages: Annotated[Requirements | None, Meta(description="Default: all declared or used.")] = None
    nodes: Annotated[Nodes, Meta(description="What runs, by name. A text is an interface, `camera` or `hdmi`.")]
    edges: Annotated[Edges | None, Meta(description="producer.output -> consumer.input")] = []
    routes: Annotated[list[RouteText | RouteWords] | None, Meta(description="host port -> node:container port")] = None
    order: Order = {}


class OverrideWords(Words, kw_only=True):
    """An overrides document."""

    account: Annotated[
        str | None, Meta(description="Another account than the application's, where the document names one.")
    ] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the overrides.")] = None
    packages: Annotated[
        Requirements | UnsetType | None, Meta(description="Default: those of its nodes; null: left out.")
    ] = UNSET
    nodes: Annotated[Nodes | None, Meta(description="Nodes that take the place of the graph's.")] = None
    replace: Annotated[dict[str, str | list[str]] | None, Meta(description="node: its replacement(s)")] = None
    edges: Annotated[Edges | None, Meta(description="Further edges, as in a graph.")] = None
    routes: Annotated[
        list[RouteText | RouteWords] | None,
        Meta(description="As in a graph, where they take effect only with the deployment."),
    ] = None
    order: Order = {}


REFERENCE = "{env: NAME}, {secret: NAME} or {secret: NAME, key: KEY}"


class Reference(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a text is found when it is used: in the environment, or in AWS Secrets Manager."""

    env: Annotated[VariableName | None, Meta(description="A variable of the environment.")] = None
    secret: Annotated[Label | None, Meta(description="A secret's name or ARN.")] = None
    key: Annotated[Label | None, Meta(description="The member of a secret that is a JSON object.")] = None

    def __post_init__(self) -> None:
        """Refuse what names no place, or two."""
        if (self.env is None) == (self.secret is None) or (self.key is not None and self.secret is None):
            raise ValueError(f"say one of {REFERENCE}")


class StreamWords(Struct, kw_only=True, forbid_unknown_fields=True):
    """A camera by its RTSP stream, of which a deployment makes a camera package where the account has none."""

    name: Annotated[CameraName | None, Meta(description="The camera package's name. Default: SITE_NODE.")] = None
    # What stands here by mistake may be a password, so no complaint repeats it.
    url: Annotated[
        StreamUrl | Reference,
        Meta(
            description="rtsp://HOST/PATH with no user and password in it, or where it is found.",
            extra={"complaint": f"not the URL of a stream without a password (rtsp://HOST/PATH, or {REFERENCE})"},
        ),
    ]
    username: Annotated[
        Reference | None,
        Meta(
            description="Where the user's name is found; never the name itself.",
            extra={"complaint": f"a user's name never stands here, but where it is found ({REFERENCE})"},
        ),
    ] = None
    password: Annotated[
        Reference | None,
        Meta(
            description="Where the password is found; never the password itself.",
            extra={"complaint": f"a password never stands here, but where it is found ({REFERENCE})"},
        ),
    ] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the camera.")] = None


CameraList: TypeAlias = Annotated[list[CameraText | StreamWords], Meta(min_length=1)]


class SiteWords(Struct, kw_only=True, forbid_unknown_fields=True):
    """A site: a device, and what is particular to the application there."""

    device: Annotated[DeviceName, Meta(description="The device's name or id.")]
    cameras: Annotated[
        dict[str, CameraText | StreamWords | CameraList],
        Meta(description="node: what takes an abstract camera's place: a camera of the account, a stream, or several."),
    ] = {}
    values: Annotated[dict[str, str], Meta(description="parameter: its value here, of the parameter's type")] = {}
    routes: Annotated[
        list[RouteText | RouteWords] | UnsetType | None,
        Meta(description="host port -> node:container port. Default: those of the graph."),
    ] = UNSET
    overrides: Annotated[
        str | None, Meta(description="One of the `overrides`, sent as it is, in place of cameras, values and routes.")
    ] = None
    graph: Annotated[str | None, Meta(description="One of the `graphs`. Default: the `graph`.")] = None
    name: Annotated[
        InstanceName | None, Meta(description="The application instance's name. Default: APPLICATION-SITE.")
    ] = None
    description: Annotated[Text | None, Meta(description="What a console shows of the application instance.")] = None
    role: Annotated[RoleArn | None, Meta(description="The ARN of the role that the code has on the device.")] = None
    tags: Annotated[dict[TagKey, TagValue], Meta(description="Tags of the application instance.")] = {}

    def __post_init__(self) -> None:
        """Refuse what would not be sent."""
        if self.overrides and (self.cameras or self.values or not isinstance(self.routes, UnsetType)):
            raise ValueError("`overrides` is sent as it is: it takes the place of cameras, values and routes")


class Manifest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A Panorama application."""

    application: Annotated[
        str,
        Meta(
            pattern=patterns.NAME,
            min_length=1,
            max_length=128,
            description="The application's name, and that of its graph's folder.",
        ),
    ]
    account: Annotated[Account | None, Meta(description="The AWS account; resolved late.")] = None
    platform: Annotated[str, Meta(description="What containers are built for.")] = "linux/arm64"
    remote: Annotated[
        str | Location, Meta(description="A folder, s3://bucket/prefix, or `panorama`: the Panorama API.")
    ] = "published"
    cache: Annotated[
        str | SharedStore | None,
        Meta(description="What the team has built: a folder, or s3://bucket/prefix. PANORAMA_CACHE overrules it."),
    ] = None
    packages: Annotated[
        dict[PackageKey, PackageWords],
        Meta(description="What the application is made of, by name: `packages/NAME/` holds a package's sources."),
    ] = {}
    graph: Annotated[GraphWords | None, Meta(description="What runs on the device: graph.json.")] = None
    graphs: Annotated[dict[str, GraphWords], Meta(description="Further graph files, by file name.")] = {}
    overrides: Annotated[dict[str, OverrideWords], Meta(description="Overrides documents, by file name.")] = {}
    sites: Annotated[
        dict[SiteName, SiteWords], Meta(description="Where the application runs, by name: `doit deploy:SITE`.")
    ] = {}
    documents: Annotated[dict[str, Any], Meta(description="Documents that have no words here, by path, as JSON.")] = {}
