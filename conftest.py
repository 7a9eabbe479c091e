"""Nothing: this file lies above the bundled suite, so an editable install loads it in the sessions of users.

Whatever the project's own tests need stands in ``tests/conftest.py``; ``-p pytester`` in ``pyproject.toml``.
"""
