"""Pure functions from a trajectory (or forces) to an observable, one file per observable."""
