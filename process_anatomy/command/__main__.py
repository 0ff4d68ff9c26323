"""``python -m process_anatomy.command`` is ``anatomy``."""

import sys

from process_anatomy.command.start import main

sys.exit(main())
