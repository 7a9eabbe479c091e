"""Pure functions from an estimate and a tolerance to a verdict."""
