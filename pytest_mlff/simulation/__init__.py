"""Systems, protocols, the engine that runs both sides, its cache, and force derivatives."""
