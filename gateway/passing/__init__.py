"""Other Graph paths passed on, and media."""
