"""All checks together: which rows there are, with which limits and lengths, in which context, at what cost."""
