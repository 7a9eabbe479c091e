"""The gate measured on itself: how often it accuses a good model, and which defects it finds.

``gate`` runs the checks of one model and seed without pytest; ``null`` is the reference as its own candidate, ``power``
the reference with one parameter off, ``matrix`` every mutant; ``cost`` is what a verdict takes. ``rates`` puts
intervals to counts, ``probit`` a threshold to detections, ``page`` tables into the documentation. What was measured
is kept in a ``pytest_mlff.journal``. May import ``checks`` and below.
"""
