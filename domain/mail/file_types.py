"""What a file is: by its first bytes, whatever its sender calls it, and of one that we send by its name."""

import re
from mimetypes import MimeTypes
from typing import Final

HEAD: Final = 8_192
"""Bytes that are looked at: behind so many the first names in an archive are known."""

_STARTS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\0\0\1\0", "image/x-icon"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"MZ", "application/x-dosexec"),
    (b"\x7fELF", "application/x-elf"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (b"#!", "text/x-script"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "application/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"\0\0\1\xb3", "video/mpeg"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (b"-----BEGIN PGP", "application/pgp-encrypted"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"avif": "image/avif",
    b"qt  ": "video/quicktime",
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_IN_ARCHIVE: Final = (
    (b"word/", f"{_OFFICE}.wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}.spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}.presentationml.presentation"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"META-INF/", "application/java-archive"),
)
_NAMED_ENTRY: Final = re.compile(rb"PK\x03\x04.{26}", re.DOTALL)
_OPEN_DOCUMENT: Final = re.compile(rb"mimetype(application/(?:vnd\.oasis\.opendocument\.[a-z-]+|epub\+zip))")
_MARKUP: Final = re.compile(rb"<(?:(svg)|!doctype html|html|head|body|script|iframe)[\s>]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
UNKNOWN: Final = "application/octet-stream"
_NAMED: Final = MimeTypes()


def by_name(name: str) -> str:
    """The type that a file we send is said to have. A compressed file gets the general type, and so does a mail: files
    are encoded as base64, which a part of type message may not be."""
    kind, compression = _NAMED.guess_type(f"file:{name}")
    if compression or kind is None or kind.startswith(("message/", "multipart/")):
        return UNKNOWN
    return kind


def sniffed(head: bytes) -> str:
    """The MIME type of a file that begins with `head`, of which HEAD bytes count. UNKNOWN where the bytes say nothing;
    text that any program could take for markup counts as such."""
    head = head[:HEAD]
    for start, mime_type in _STARTS:
        if head.startswith(start):
            return mime_type
    if head.startswith(b"PK\3\4"):
        return _archive(head)
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    return _text(head)


def _archive(head: bytes) -> str:
    if found := _OPEN_DOCUMENT.match(head, 30):
        return found[1].decode("ascii")
    entries = [head[entry.end() : entry.end() + 40] for entry in _NAMED_ENTRY.finditer(head)]
    for start, mime_type in _IN_ARCHIVE:
        if any(entry.startswith(start) for entry in entries):
            return mime_type
    return "application/zip"


def _text(head: bytes) -> str:
    """A letter may be cut in two at the end."""
    lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if markup := _MARKUP.search(lowered):
        return "image/svg+xml" if markup[1] else "text/html"
    if lowered.startswith(b"<?xml "):
        return "text/xml"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) > 2:
        return "text/plain"
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return UNKNOWN
        text = head[: error.start].decode("utf-8")
    return "text/plain" if text and not _CONTROLS.search(text) else UNKNOWN
