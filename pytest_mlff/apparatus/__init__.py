"""What checks stand on: how a row is declared, measured with what, judged, and what several checks share."""
