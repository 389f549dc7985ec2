"""Write the table of settings into a document: ``python -m relevo.router.settings_table README.md``."""

import sys
from pathlib import Path
from typing import Final

from relevo.router.config import settings_table

BEGIN: Final = "<!-- settings: written by `make docs` -->\n"
END: Final = "<!-- end of settings -->\n"


def with_table(text: str) -> str:
    """
    Return the document with the present table between its two marks.

    Args:
        text: The document, in Markdown.

    Raises:
        ValueError: It does not have both marks, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text()))
