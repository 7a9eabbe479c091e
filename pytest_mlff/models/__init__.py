"""From a spec string to a model: parsing, loading, probing, fingerprints."""
