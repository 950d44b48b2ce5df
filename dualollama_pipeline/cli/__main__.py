"""`python -m dualollama_pipeline.cli`: the command line, where no script is installed."""

import sys

from dualollama_pipeline.cli.main import main

sys.exit(main())
