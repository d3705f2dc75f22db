"""pandera checks, compiled to SQL."""
