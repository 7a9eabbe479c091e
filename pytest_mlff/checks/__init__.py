"""The bundled checks as plain functions from a model to records, without pytest."""
