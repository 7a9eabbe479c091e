"""The gate measured on itself: how often it accuses a good model, and which defects it finds.

``gate`` runs the checks of one model and seed without pytest; ``journal`` keeps what was measured, so that hours of
work survive a kill; ``null`` is the reference as its own candidate. May import ``checks``, ``mutants`` and below.
"""
