"""Errors that a user can mend."""


class UserError(Exception):
    """Bad input. The message is one line: the file, key or image, what is wrong with it, and what to do."""
