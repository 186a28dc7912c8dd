"""Links of README become addresses, or texts while the repository has no address."""

import re

import pytest
from links import ROOT, with_addresses

PAGE = ROOT / "README.md"
TEXT = "[a](docs/data.md#data), ![b](docs/img/live.svg), [c](#two-commands), [d](https://x.org/y)"


def test_a_link_to_a_file_is_an_address_of_the_repository():
    found = with_addresses(TEXT, PAGE, "https://host/me/it")
    assert found == (
        "[a](https://host/me/it/blob/main/docs/data.md#data), "
        "![b](https://host/me/it/raw/main/docs/img/live.svg), "
        "[c](#two-commands), [d](https://x.org/y)"
    )


def test_without_an_address_links_are_texts_and_pictures_are_left_out():
    assert with_addresses(TEXT, PAGE, "") == "a, , [c](#two-commands), [d](https://x.org/y)"
    readme = with_addresses(PAGE.read_text(encoding="utf-8"), PAGE, "")
    assert "[Two" not in readme and not re.search(r"\]\((?!#|https?:)", readme)


@pytest.mark.parametrize("address", ["", "https://host/me/it"])
def test_links_within_the_documents_stay_and_those_out_of_them_do_not(address):
    docs = ROOT / "docs"
    text = with_addresses("[x](runs.md) [y](../scripts/links.py)", docs / "a.md", address, docs)
    outside = f"[y]({address}/blob/main/scripts/links.py)" if address else "y"
    assert text == f"[x](runs.md) {outside}"


def test_every_link_of_the_pages_leads_to_a_file():
    pages = [PAGE, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
    assert len(pages) > 15
    for page in pages:
        for name in re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / name).exists(), f"{page.name}: {name}"
