"""What all commands share: output, errors and exit codes, the terminal, options and help."""
