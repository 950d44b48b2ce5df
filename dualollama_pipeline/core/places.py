"""Where what is shipped lies, and where results go: in a checkout, or in the current folder."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = PACKAGE / "shipped"  # in a wheel; a checkout has it all beside the package
IS_CHECKOUT = not SHIPPED.exists()
PROJECT_ROOT = PACKAGE.parent if IS_CHECKOUT else SHIPPED
RESULTS = PROJECT_ROOT if IS_CHECKOUT else Path("dualollama").absolute()
REPORT_PORT = 8114  # where `dualollama ui` and `report --serve` serve the pages
