"""Run the command line as `python -m mcp_truto_lms`."""

from mcp_truto_lms.cli.main import main

main()
