"""`python -m augbench`: the command line where the installed command is not on the path."""

from augbench.cli import main

main()
