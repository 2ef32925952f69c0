"""What a user can mend."""


class UserError(Exception):
    """Wrong input, configuration or file: shown as one line that names it and the remedy; exit code 2."""


class NotFiniteError(UserError, FloatingPointError):
    """A loss became NaN or infinite."""
