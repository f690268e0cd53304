"""python -m haienv."""

from haienv.cli import main

main()
