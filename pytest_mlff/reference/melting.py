"""Slabs and melting points of the reference (filled in by the melting part)."""
