"""Other libraries: one file each, imported only by who asks for it."""
