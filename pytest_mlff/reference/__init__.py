"""Build, read and verify ``reference_data/``; a gate run only reads."""
