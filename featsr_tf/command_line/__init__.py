"""What all commands share: flags, terminal, errors."""
