"""What failures usually mean, where rows of several checks fail for the same reasons."""

FAST = (
    "Typical causes of a liquid that relaxes too fast: attractions too weak, or a repulsive core too small, which at "
    "fixed density leaves more room. Compare rdf and parity-liquid; was this state point in the training data?"
)
SLOW = (
    "Typical causes of a liquid that relaxes too slowly: attractions too strong, or a repulsive core too large, which "
    "at fixed density crowds the atoms. Compare rdf and parity-liquid; was this state point trained on?"
)
STRUCTURE = (
    "Compare the curves: a shifted first peak usually means a wrong atomic size, a wrong height a wrong well depth."
)
