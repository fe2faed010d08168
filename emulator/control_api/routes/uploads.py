"""Routes for uploads from other machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from emulator.control_api.access import caller
from emulator.control_api.openapi_metadata import LARGEST_OFFSET, Answer, openapi
from emulator.control_api.request_parsing import LARGEST_LIST, Services, body_of, query_bool, query_int
from emulator.control_api.response_schemas import Shape
from emulator.entities import Entity, LongList, Sha256, Upload
from emulator.errors import BadArgument

Size = Annotated[int, Field(ge=0, le=LARGEST_OFFSET)]


class OfferedFile(Entity):
    """A file that a client has: `key` is what it is sent under, `size` how much may be sent, `sha256` None what the
    client has not worked out."""

    key: Sha256
    size: Size
    sha256: Sha256 | None = None


class Offer(Entity):
    """Files that a client has, and sizes of those that it would rather not read for their digests."""

    files: LongList[OfferedFile] = ()
    sizes: LongList[Size] = ()


class WholeFile(Entity):
    """What a file must be, now that all of it was sent."""

    size: Size
    sha256: Sha256


class FoundFile(Shape):
    """Of an offered file: whether the caller must send it, how many of its bytes are here, and the sha256 of those."""

    key: str
    is_missing: bool
    received: int
    sha256: str


class Found(Shape):
    """What became of an offer; `known_sizes` are those of the sizes that something has that the caller has sent."""

    files: list[FoundFile]
    known_sizes: list[int]


class Received(Shape):
    """How many bytes of the file are here."""

    received: int


class Stored(Shape):
    """A content."""

    sha256: str
    size: int


class UploadPath(Shape):
    """What requests call an upload."""

    path: str


def upload_routes(services: Services) -> Blueprint:
    """Return the routes of `/uploads…`: missing files, pieces of files, and folders made of them."""
    routes = Blueprint("uploads", __name__)
    uploads = services.workspace.uploads

    @routes.post("/uploads/find")
    @openapi("What of its files the caller must send.", Found, body=Offer, errors=(507,))
    def find() -> Response:
        offer = body_of(Offer, target="uploads", most_bytes=LARGEST_LIST)
        wanted = [(file, uploads.find(caller(), file.key, file.sha256)) for file in offer.files]
        uploads.check_room(sum(file.size - w.received for file, w in wanted if w.is_missing))
        uploads.announce(caller(), {file.key: file.size for file, w in wanted if w.is_missing})
        found: dict[str, Any] = {"files": [{"key": file.key, **asdict(w)} for file, w in wanted]}
        return jsonify(found | {"known_sizes": uploads.known_sizes(caller(), offer.sizes)})

    @routes.patch("/uploads/files/<key>")
    @openapi(
        "Take a piece of a file that begins at `offset`.",
        Received,
        bytes_body="The bytes of the piece, at most 32 MiB.",
        query=("offset", "restart"),
        errors=(409, 507),
    )
    def append(key: str) -> Response:
        offset = query_int("offset", most=LARGEST_OFFSET)
        if offset is None:
            raise BadArgument("offset must say where the piece belongs", target=f"upload {key}")
        data = request.get_data(cache=False)
        received = uploads.append(caller(), _key(key), offset, data, restart=query_bool("restart"))
        return jsonify({"received": received})

    @routes.post("/uploads/files/<key>/finish")
    @openapi("Keep a file now that all of it was sent.", Stored, body=WholeFile, errors=(507,))
    def finish(key: str) -> Response:
        whole = body_of(WholeFile, target=f"upload {key}")
        uploads.finish(caller(), _key(key), whole.size, whole.sha256)
        return jsonify({"sha256": whole.sha256, "size": whole.size})

    @routes.post("/uploads")
    @openapi(
        "Make a folder, or a file, of what was sent; requests name it in place of a path.",
        {201: Answer(UploadPath)},
        body=Upload,
        errors=(404, 507),
    )
    def create() -> tuple[Response, int]:
        upload = body_of(Upload, target="upload", most_bytes=LARGEST_LIST)
        return jsonify({"path": uploads.create(caller(), upload)}), 201

    return routes


def _key(text: str) -> str:
    return OfferedFile.parse({"key": text, "size": 0}, target=f"upload {text}").key
