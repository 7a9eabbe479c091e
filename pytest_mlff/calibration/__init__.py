"""The gate measured on itself: how often it accuses a good model, and which defects it finds.

``gate`` runs the checks of one model and seed without pytest; ``null`` is the reference as its own candidate;
``rates`` puts intervals to counts. What was measured is kept in a ``pytest_mlff.journal``. May import ``checks`` and
below.
"""
