"""The code on docs/writing-a-driver.md is that of the example, which other tests install and run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "sqlite_store"


def test_code_on_the_page_then_stands_in_the_example() -> None:
    page = (ROOT / "docs" / "writing-a-driver.md").read_text()
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    files = [path.read_text() for path in (*EXAMPLE.glob("*.py"), EXAMPLE / "pyproject.toml")]

    assert [block for block in blocks if not any(block in text for text in files)] == []
    assert len(blocks) == page.count("```python\n") + page.count("```toml\n") > 5
