"""What a user's run collects: thin tests, each one call into ``checks``."""
