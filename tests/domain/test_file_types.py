"""A file's type by its first bytes, whatever its sender says."""

import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.file_types import HEAD, UNKNOWN, sniffed

OFFICE = "application/vnd.openxmlformats-officedocument"


def archive(*names: str, first: bytes = b"") -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            content = first if name == "mimetype" else b"content of " + name.encode() * 50
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            file.writestr(name, content, stored)
    return held.getvalue()


ODT = b"application/vnd.oasis.opendocument.text"


@pytest.mark.rule("D14-5g")
@pytest.mark.rule("D14")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf", id="PDF"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png", id="PNG"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", id="JPEG"),
        pytest.param(b"GIF89a\1\0\1\0", "image/gif", id="GIF"),
        pytest.param(b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp", id="WebP"),
        pytest.param(b"RIFF\x24\0\0\0JUNK", UNKNOWN, id="a RIFF that nobody knows"),
        pytest.param(b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "image/bmp", id="BMP"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4", id="MP4"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic", id="HEIC"),
        pytest.param(archive("a.txt"), "application/zip", id="ZIP"),
        pytest.param(
            archive("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
            f"{OFFICE}.wordprocessingml.document",
            id="Word",
        ),
        pytest.param(
            archive("[Content_Types].xml", "xl/workbook.xml"), f"{OFFICE}.spreadsheetml.sheet", id="Excel"
        ),
        pytest.param(archive("mimetype", "content.xml", first=ODT), ODT.decode(), id="OpenDocument"),
        pytest.param(archive("a/word/x.txt"), "application/zip", id="a folder of that name deeper down"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "application/x-ole-storage", id="old Office"),
        pytest.param(b"MZ\x90\0\3\0\0\0", "application/x-dosexec", id="a Windows program"),
        pytest.param(b"\x7fELF\2\1\1\0", "application/x-elf", id="a Linux program"),
        pytest.param(b"#!/bin/sh\nrm\n", "text/x-script", id="a script"),
        pytest.param(b"\x78\x9f\x3e\x22\1\0\6\x90", "application/vnd.ms-tnef", id="winmail.dat"),
        pytest.param(b"BEGIN:VCALENDAR\r\n", "text/calendar", id="a calendar"),
        pytest.param(b" <!DOCTYPE html>\n<p>hi", "text/html", id="HTML"),
        pytest.param(b"hello <script>alert(1)</script>", "text/html", id="HTML behind words"),
        pytest.param(b'<?xml version="1.0"?>\n<svg xmlns="x">', "image/svg+xml", id="SVG"),
        pytest.param(b'<?xml version="1.0"?>\n<a/>', "text/xml", id="XML"),
        pytest.param("Grüße\r\n".encode(), "text/plain", id="text"),
        pytest.param("Grüße".encode("utf-16"), "text/plain", id="text in UTF-16"),
        pytest.param(("x" * (HEAD - 1) + "ü").encode(), "text/plain", id="text that is cut inside a letter"),
        pytest.param(b"text with \0", UNKNOWN, id="a byte that is no text"),
        pytest.param("Grüße".encode("latin-1"), UNKNOWN, id="bytes of some charset"),
        pytest.param(b"", UNKNOWN, id="an empty file"),
    ],
)
def test_D14_5g_a_file_is_what_its_bytes_say(content: bytes, expected: str) -> None:  # noqa: N802
    assert sniffed(content) == expected


@pytest.mark.rule("E102")
@given(st.binary(max_size=2_000))
def test_any_bytes_have_a_type(content: bytes) -> None:
    main, slash, sub = sniffed(content).partition("/")
    assert main
    assert slash
    assert sub


@pytest.mark.rule("E102")
@pytest.mark.parametrize("piece", [b"PK\3\4", b"<", b"<svg", b"\xef", b" "])
def test_what_lies_behind_the_head_is_not_looked_at(piece: bytes) -> None:
    head = piece * HEAD
    assert sniffed(head[:HEAD] + b"\0" * 50_000_000) == sniffed(head[:HEAD])
